"""Replies to Centrifugo: how a result is written, and what a refusal becomes for each event."""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from .. import disconnects, errors
from .. import messages as m
from .._wire.codes import fit_reason
from .._wire.encoding import AlreadyExpired, encode
from .._wire.fields import fields_of
from .._wire.json import JsonDefault, Malformed, TooComplex, dumps, loads
from ..exceptions import Disconnect, Error, Rejection
from .events import EVENTS, Event
from .refusals import sendable

ReplyOutcome: TypeAlias = Literal["result", "error", "disconnect", "failed"]


@dataclass(slots=True)
class Reply:
    """A reply to Centrifugo. Nothing changes it: it is not frozen only because that takes three times as long."""

    status: int
    """200 if the body is an envelope. With any other status the request has failed for Centrifugo."""
    body: bytes
    outcome: ReplyOutcome
    """``error`` and ``disconnect`` also if the body is the refusal result, or the status 500, in place of them."""
    hook: str | None = None
    """The qualified name of the hook; None if no hook was called."""
    code: int | None = None
    """The code of the error or disconnect."""


def refusal_reply(
    event: Event, rejection: Rejection, message: m.Request | None = None, hook: str | None = None
) -> Reply:
    """A refusal as a reply of this event.

    :param message: the request; None if it is not known.
    :param hook: the qualified name of the hook that refuses.
    """
    rejection = sendable(rejection)
    temporary = isinstance(rejection, Error) and bool(rejection.temporary)
    if event.failure_is_grace and temporary:
        # A reply with status 200 would end the connection or the subscription at once.
        return Reply(500, b"refused temporarily\n", "error", hook, rejection.code)
    if not event.carries_error:
        outcome: ReplyOutcome = "disconnect" if isinstance(rejection, Disconnect) else "error"
        return Reply(200, envelope(b"result", dumps(event.refusal_result)), outcome, hook, rejection.code)
    if isinstance(rejection, Disconnect) and not event.carries_disconnect:
        rejection = errors.Internal(rejection.reason)
    if (
        isinstance(rejection, Error)
        and not temporary
        and isinstance(message, m.ConnectRequest)
        and message.unidirectional
    ):
        # An error would reach a unidirectional client as disconnect 3004, after which it reconnects.
        rejection = disconnects.ForceNoReconnect(fit_reason(rejection.message))
    if isinstance(rejection, Disconnect):
        body = _disconnect_envelope(rejection.code, fit_reason(rejection.reason))
        return Reply(200, body, "disconnect", hook, rejection.code)
    text = rejection.message
    write = _error_envelope if len(text) <= _MAX_CACHED and type(text) is str else _error_envelope.__wrapped__
    return Reply(200, write(rejection.code, text, bool(rejection.temporary)), "error", hook, rejection.code)


# Applications refuse many requests with few codes and messages. A message may be longer than any memory can keep a
# thousand times, so long ones are not kept.
_MAX_CACHED: Final = 200
"""Characters of a message."""


@functools.lru_cache(1000)
def _error_envelope(code: int, message: str, temporary: bool) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message}
    return envelope(b"error", dumps({**error, "temporary": True} if temporary else error))


@functools.lru_cache(1000)
def _disconnect_envelope(code: int, reason: str) -> bytes:
    return envelope(b"disconnect", dumps({"code": code, "reason": reason}))


def envelope(key: bytes, body: bytes) -> bytes:
    """The JSON object that wraps a result, an error or a disconnect.

    :param body: JSON.
    """
    return b'{"%b":%b}' % (key, body)


def encode_result(result: m.Result) -> dict[str, Any]:
    """The result as a JSON object, with bytes as base64.

    :raises proxyhooks.errors.Expired: if an ``expire_at`` has passed.
    :raises TypeError, ValueError: if a value was changed to an invalid one after the result was created.
    """
    try:
        return encode(result)
    except AlreadyExpired as error:
        expired = errors.Expired()
        expired.add_note(str(error))
        raise expired from None


def result_reply(event: Event, result: m.Result, message: m.Request | None, json_default: JsonDefault) -> Reply:
    """The reply for a result of a plain view, which is no hook.

    :param message: the request; None if it is not known.
    :param json_default: converts what the result has that is not JSON, such as a date.
    :raises TypeError, ValueError: if a part of the result cannot be sent.
    """
    try:
        written = encode_result(result)
        check_client_can_read(event, message, written)
        return Reply(200, envelope(b"result", dumps(written, type(result).__name__, json_default)), "result")
    except errors.Expired as expired:
        return refusal_reply(event, expired, message)


_RESULTS: Final[list[Any]] = [event.result for event in EVENTS.values()]
_MAY_HAVE_BYTES: Final = {field.base64_name for result in _RESULTS for field in fields_of(result)} | {"subs"}
"""The fields of results that are bytes as base64, or that contain such fields."""


def check_client_can_read(event: Event, message: m.Request | None, written: dict[str, Any]) -> None:
    """Check that bytes in a result are JSON if the client that receives them speaks JSON.

    If they were not, Centrifugo would close its connection with 3506, after which it does not reconnect.

    :raises ValueError: if they are not.
    """
    if _MAY_HAVE_BYTES.isdisjoint(written):
        return
    if not (event.result_reaches_client and isinstance(message, m.ClientRequest) and message.protocol == "json"):
        return
    for part in (written, *written.get("subs", {}).values()):
        for name, value in part.items():
            if name.startswith("b64") and value:
                try:
                    loads(base64.b64decode(value))
                except (Malformed, TooComplex) as error:
                    raise ValueError(
                        f"{name.removeprefix('b64')} is bytes that are no JSON, and the client speaks JSON: {error}"
                    ) from None
