"""What comes in and goes out, as marshmallow schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, post_load, validate

# A larger number would be an error of the database, and not the client's.
MAX_ID = 2**63 - 1
# JSON can carry NUL and half a surrogate pair, such as half an emoji. Databases refuse the one or the other, and what
# checks signatures fails on the latter.
STORABLE = validate.Regexp(r"[^\0\ud800-\udfff]*\Z", error="Contains what cannot be stored.")


class CredentialsSchema(Schema):
    name = fields.String(required=True, validate=STORABLE)
    password = fields.String(required=True, validate=[validate.Length(max=200), STORABLE])


class ConnectSchema(Schema):
    token = fields.String(load_default=None, validate=STORABLE)


@dataclass(frozen=True, slots=True)
class Meta:
    """What Centrifugo keeps with a connection and brings along with every later event."""

    login_id: str


class MetaSchema(Schema):
    login_id = fields.String(required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Meta:
        return Meta(**data)


class SubscribeSchema(Schema):
    """What a client may send with a subscription: the id of the last message that it has."""

    after = fields.Integer(strict=True, load_default=None, validate=validate.Range(min=0, max=MAX_ID))


class RoomIdSchema(Schema):
    room_id = fields.Integer(strict=True, required=True, validate=validate.Range(min=1, max=MAX_ID))


class NewMessageSchema(Schema):
    text = fields.String(required=True, validate=[validate.Length(min=1, max=2000), STORABLE])
    nonce = fields.UUID(load_default=None)


# What is required is always dumped, so that the front end's types have it without a question mark.
class RoomSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    seats_left = fields.Integer(required=True)
    invitation_only = fields.Boolean(required=True)
    member = fields.Boolean(required=True)


class JoinSchema(Schema):
    channel = fields.String(required=True)


class MessageSchema(Schema):
    type = fields.Constant("message")
    id = fields.Integer(required=True)
    author = fields.Pluck("AuthorSchema", "name", required=True)
    text = fields.String(required=True)
    sent_at = fields.NaiveDateTime(format="%Y-%m-%dT%H:%M:%SZ", required=True)
    nonce = fields.UUID(required=True, allow_none=True)


class AuthorSchema(Schema):
    name = fields.String()


class JoinedSchema(Schema):
    type = fields.Constant("joined")
    name = fields.String(required=True)


class LeftSchema(Schema):
    type = fields.Constant("left")
    name = fields.String(required=True)


class WelcomeSchema(Schema):
    """What a client gets when it has connected."""

    user = fields.String(attribute="id", required=True)
    name = fields.String(required=True)


class HistorySchema(Schema):
    """What a client gets when it has subscribed to a room."""

    messages = fields.List(fields.Nested(MessageSchema), required=True)
    """The oldest first."""
    complete = fields.Boolean(required=True)
    """Whether these are all: of the room, or since the message that the client named."""
