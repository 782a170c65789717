"""Answers, and what a refusal becomes for each event."""

from __future__ import annotations

import base64
import functools
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from werkzeug.exceptions import HTTPException

from . import disconnects, errors
from . import messages as m
from ._codes import check_disconnect_code, check_error_code, fit_reason
from ._events import EVENTS, Event
from ._fields import fields_of
from ._json import Hostile, Malformed, dumps, loads
from ._wire import tree
from .exceptions import Disconnect, Error, Rejection

Outcome: TypeAlias = Literal["result", "error", "disconnect", "failed"]


class Answer(NamedTuple):
    """What leaves for Centrifugo: with status 200 an envelope, otherwise a failure of the call."""

    status: int
    body: bytes
    outcome: Outcome
    hook: str | None = None
    code: int | None = None


def refuse(event: Event, rejection: Rejection, message: m.Request | None = None, hook: str | None = None) -> Answer:
    """The answer that a refusal becomes for this event."""
    temporary = isinstance(rejection, Error) and rejection.temporary
    if event.failure_is_grace and temporary:
        # Anything with status 200 would end the connection or the subscription on the spot.
        return Answer(500, b"refused for now\n", "error", hook, rejection.code)
    if not event.carries_error:
        outcome: Outcome = "disconnect" if isinstance(rejection, Disconnect) else "error"
        return Answer(200, _REFUSED[event.name], outcome, hook, rejection.code)
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
        return Answer(200, body, "disconnect", hook, rejection.code)
    if not isinstance(rejection, Error) or not isinstance(rejection.message, str):
        raise TypeError(f"{rejection!r} must be an Error with a message, or a Disconnect")
    body = _error(check_error_code(rejection.code), rejection.message, bool(rejection.temporary))
    return Answer(200, body, "error", hook, rejection.code)


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


def rejection_of(error: BaseException) -> Rejection | None:
    """The refusal that an exception means: itself, or what a 4xx of werkzeug's says; ``None``: it is a failure."""
    if isinstance(error, Rejection):
        return error
    if not isinstance(error, HTTPException):
        return None
    status = error.code if error.response is None else error.response.status_code
    if status is None or not 400 <= status < 500:
        return None
    return _BY_STATUS.get(status, errors.BadRequest)()


def result_answer(event: Event, result: m.Result, message: m.Request | None) -> Answer:
    """The answer of a result that was made without a hook.

    :raises TypeError, ValueError: if a part of it cannot be sent.
    """
    try:
        written = tree(result)
        check_readable(event, message, written)
        return Answer(200, envelope(b"result", dumps(written, type(result).__name__)), "result")
    except errors.Expired as expired:
        return refuse(event, expired, message)


# The fields of results that carry bytes, or something that may.
_RESULTS: Final[list[Any]] = [event.result for event in EVENTS.values()]
_WITH_BYTES: Final = {field.twin for result in _RESULTS for field in fields_of(result)} | {"subs"}


def check_readable(event: Event, message: m.Request | None, written: dict[str, Any]) -> None:
    """Whether bytes in a result are JSON where they go to clients that speak JSON.

    Centrifugo would close their connections, with 3506, after which they stay away.

    :raises ValueError: if not.
    """
    if _WITH_BYTES.isdisjoint(written):
        return
    if not (event.answers_client and isinstance(message, m.ClientRequest) and message.protocol == "json"):
        return
    for part in (written, *written.get("subs", {}).values()):
        for name, value in part.items():
            if name.startswith("b64") and value:
                try:
                    loads(base64.b64decode(value))
                except (Malformed, Hostile) as error:
                    what = f"{name.removeprefix('b64')} is bytes that are no JSON"
                    raise ValueError(f"{what}, for clients that speak JSON: {error}") from None


def envelope(key: bytes, body: bytes) -> bytes:
    return b'{"%b":%b}' % (key, body)


_REFUSED: Final = {event.name: envelope(b"result", dumps(event.refused)) for event in EVENTS.values()}
