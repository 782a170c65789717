"""What comes in and goes out, as marshmallow schemas."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from .job_store import State


class LoginSchema(Schema):
    # A name is part of a channel, so it has none of the characters that mean something there.
    name = fields.String(
        required=True, validate=validate.Regexp(r"[a-z0-9]{1,20}\Z", error="1 to 20 letters a-z and digits")
    )


class WelcomeSchema(Schema):
    """What a client gets when it has connected."""

    user = fields.String(required=True)


class StartSchema(Schema):
    rows = fields.Integer(strict=True, required=True, validate=validate.Range(min=1, max=10_000))


class CancelSchema(Schema):
    id = fields.String(required=True, validate=validate.Length(max=32))


# What is required is always dumped, so that the front end's types have it without a question mark.
class JobSchema(Schema):
    id = fields.String(required=True)
    state = fields.Enum(State, by_value=True, required=True)
    percent = fields.Integer(required=True)
    version = fields.Integer(required=True)


class CurrentJobSchema(Schema):
    """What each method returns: the user's last job."""

    job = fields.Nested(JobSchema, required=True, allow_none=True)
