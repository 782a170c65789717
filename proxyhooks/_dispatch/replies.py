"""Answers, and what a refusal becomes for each event."""

from __future__ import annotations

import base64
import functools
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from werkzeug.exceptions import HTTPException

from .. import disconnects, errors
from .. import messages as m
from .._wire.codes import check_disconnect_code, check_error_code, fit_reason
from .._wire.encoding import AlreadyExpired, encode
from .._wire.fields import fields_of
from .._wire.json import Malformed, TooComplex, dumps, loads
from ..exceptions import Disconnect, Error, Rejection
from .events import EVENTS, Event

ReplyOutcome: TypeAlias = Literal["result", "error", "disconnect", "failed"]


class Reply(NamedTuple):
    """What leaves for Centrifugo: with status 200 an envelope, otherwise a failure of the call."""

    status: int
    body: bytes
    outcome: ReplyOutcome
    hook: str | None = None
    code: int | None = None


def refusal_reply(
    event: Event, rejection: Rejection, message: m.Request | None = None, hook: str | None = None
) -> Reply:
    """The answer that a refusal becomes for this event."""
    temporary = isinstance(rejection, Error) and rejection.temporary
    if event.failure_is_grace and temporary:
        # Anything with status 200 would end the connection or the subscription on the spot.
        return Reply(500, b"refused for now\n", "error", hook, rejection.code)
    if not event.carries_error:
        outcome: ReplyOutcome = "disconnect" if isinstance(rejection, Disconnect) else "error"
        return Reply(200, _REFUSED[event.name], outcome, hook, rejection.code)
    if isinstance(rejection, Disconnect) and not event.carries_disconnect:
        rejection = errors.Internal(rejection.reason)
    if (
        isinstance(rejection, Error)
        and not temporary
        and isinstance(message, m.ConnectRequest)
        and message.unidirectional
    ):
        # An error would reach a one-way client as disconnect 3004, after which it comes back.
        rejection = disconnects.ForceNoReconnect(fit_reason(rejection.message))
    if isinstance(rejection, Disconnect):
        # Checked once more: attributes of exceptions can be set, and a class may have an __init__ of its own.
        body = _disconnect(check_disconnect_code(rejection.code), fit_reason(rejection.reason))
        return Reply(200, body, "disconnect", hook, rejection.code)
    if not isinstance(rejection, Error) or not isinstance(rejection.message, str):
        raise TypeError(f"{rejection!r} must be an Error with a message, or a Disconnect")
    body = _error(check_error_code(rejection.code), rejection.message, bool(rejection.temporary))
    return Reply(200, body, "error", hook, rejection.code)


# Most refusals say what others of their kind have said.
@functools.lru_cache(1000)
def _error(code: int, message: str, temporary: bool) -> bytes:
    written: dict[str, Any] = {"code": code, "message": message}
    return envelope(b"error", dumps({**written, "temporary": True} if temporary else written))


@functools.lru_cache(1000)
def _disconnect(code: int, reason: str) -> bytes:
    return envelope(b"disconnect", dumps({"code": code, "reason": reason}))


_BY_STATUS: Final[dict[int, type[Error]]] = {
    401: errors.Unauthorized,
    403: errors.PermissionDenied,
    404: errors.NotAvailable,
    429: errors.TooManyRequests,
}


def as_rejection(error: BaseException) -> Rejection | None:
    """The refusal that an exception means: itself, or what a 4xx of werkzeug's says; ``None``: it is a failure."""
    if isinstance(error, Rejection):
        return error
    if not isinstance(error, HTTPException):
        return None
    status = error.code if error.response is None else error.response.status_code
    if status is None or not 400 <= status < 500:
        return None
    return _BY_STATUS.get(status, errors.BadRequest)()


def encode_result(result: m.Result) -> dict[str, Any]:
    """The result as the JSON object that travels.

    :raises proxyhooks.errors.Expired: if an ``expire_at`` has passed.
    :raises TypeError, ValueError: if a value was changed into a wrong one after the result was made.
    """
    try:
        return encode(result)
    except AlreadyExpired as error:
        expired = errors.Expired()
        expired.add_note(str(error))
        raise expired from None


def result_reply(event: Event, result: m.Result, message: m.Request | None) -> Reply:
    """The answer of a result that was made without a hook.

    :raises TypeError, ValueError: if a part of it cannot be sent.
    """
    try:
        written = encode_result(result)
        check_client_can_read(event, message, written)
        return Reply(200, envelope(b"result", dumps(written, type(result).__name__)), "result")
    except errors.Expired as expired:
        return refusal_reply(event, expired, message)


# The fields of results that carry bytes, or something that may.
_RESULTS: Final[list[Any]] = [event.result for event in EVENTS.values()]
_WITH_BYTES: Final = {field.base64_name for result in _RESULTS for field in fields_of(result)} | {"subs"}


def check_client_can_read(event: Event, message: m.Request | None, written: dict[str, Any]) -> None:
    """Whether bytes in a result are JSON where they go to clients that speak JSON.

    Centrifugo would close their connections, with 3506, after which they stay away.

    :raises ValueError: if not.
    """
    if _WITH_BYTES.isdisjoint(written):
        return
    if not (event.result_reaches_client and isinstance(message, m.ClientRequest) and message.protocol == "json"):
        return
    for part in (written, *written.get("subs", {}).values()):
        for name, value in part.items():
            if name.startswith("b64") and value:
                try:
                    loads(base64.b64decode(value))
                except (Malformed, TooComplex) as error:
                    what = f"{name.removeprefix('b64')} is bytes that are no JSON"
                    raise ValueError(f"{what}, for clients that speak JSON: {error}") from None


def envelope(key: bytes, body: bytes) -> bytes:
    return b'{"%b":%b}' % (key, body)


_REFUSED: Final = {event.name: envelope(b"result", dumps(event.refusal_result)) for event in EVENTS.values()}
