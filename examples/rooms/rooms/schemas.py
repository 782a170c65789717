"""What comes in and goes out, as marshmallow schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields, post_load, validate


class CredentialsSchema(Schema):
    name = fields.String(required=True)
    password = fields.String(required=True, validate=validate.Length(max=200))


class ConnectSchema(Schema):
    token = fields.String(load_default=None)


@dataclass(frozen=True, slots=True)
class Meta:
    """What Centrifugo keeps with a connection and brings along with every later event."""

    signed_in_at: datetime


class MetaSchema(Schema):
    signed_in_at = fields.AwareDateTime(format="iso", default_timezone=UTC, required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Meta:
        return Meta(**data)


class RoomIdSchema(Schema):
    # The upper bound is the database's: a larger number would be its error, not the client's.
    room_id = fields.Integer(strict=True, required=True, validate=validate.Range(min=1, max=2**63 - 1))


# What is required is always dumped, so that the front end's types have it without a question mark.
class RoomSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    seats_left = fields.Integer(required=True)


class NewMessageSchema(Schema):
    text = fields.String(required=True, validate=validate.Length(min=1, max=2000))


class MessageSchema(Schema):
    type = fields.Constant("message")
    id = fields.Integer(required=True)
    author = fields.Pluck("AuthorSchema", "name", required=True)
    text = fields.String(required=True)
    sent_at = fields.NaiveDateTime(format="%Y-%m-%dT%H:%M:%SZ", required=True)


class AuthorSchema(Schema):
    name = fields.String()


class JoinedSchema(Schema):
    type = fields.Constant("joined")
    name = fields.String(required=True)


class WelcomeSchema(Schema):
    """What a client gets when it has connected."""

    name = fields.String(required=True)


class HistorySchema(Schema):
    """What a client gets when it has subscribed to a room: the latest messages."""

    messages = fields.List(fields.Nested(MessageSchema), required=True)
