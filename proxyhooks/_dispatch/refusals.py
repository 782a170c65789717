"""Refusals: which exceptions are refusals, and what is sent for one that cannot be sent as it is.

A refusal must not fail. A failed refresh, for example, leaves a banned client connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from werkzeug.exceptions import HTTPException

from .. import disconnects, errors
from .._wire.codes import DISCONNECTS, ERRORS, check_disconnect_code, check_error_code, fit_reason
from .._wire.log import Trusted, rate_limited
from ..exceptions import Disconnect, Error, Rejection

_ERROR_BY_STATUS: Final[dict[int, type[Error]]] = {
    401: errors.Unauthorized,
    403: errors.PermissionDenied,
    404: errors.NotAvailable,
    429: errors.TooManyRequests,
}


def as_rejection(error: BaseException) -> Rejection | None:
    """The refusal that an exception stands for: itself, or an error for a 4xx of werkzeug; None for a failure.

    A group that has a refusal is a refusal, whatever else it has. Of several the strongest counts: a disconnect before
    an error, and a final refusal before a temporary one.
    """
    if isinstance(error, Rejection):
        return error
    if isinstance(error, BaseExceptionGroup):
        if error.subgroup((KeyboardInterrupt, SystemExit)) is not None:
            return None
        rejections = [rejection for leaf in _leaves(error) if (rejection := as_rejection(leaf)) is not None]
        return max(map(sendable, rejections), key=_strength, default=None)
    if not isinstance(error, HTTPException):
        return None
    response = getattr(error, "response", None)  # missing if a subclass does not call super().__init__
    status = error.code if response is None else response.status_code
    if status is None or not 400 <= status < 500:
        return None
    return _ERROR_BY_STATUS.get(status, errors.BadRequest)()


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _strength(rejection: Rejection) -> tuple[bool, bool]:
    return isinstance(rejection, Disconnect), rejection.terminal


def log_other_exceptions(error: BaseException, source: str) -> None:
    """Log the exceptions of a group that are no refusals: the refusal is sent, and nothing else would tell of them.

    :param source: what raised the group.
    """
    if isinstance(error, BaseExceptionGroup):
        others = error.split(lambda one: not isinstance(one, BaseExceptionGroup) and as_rejection(one) is not None)[1]
        if others is not None:
            text, location = "%s refuses, and has raised other exceptions too", Trusted(source)
            rate_limited.error(text, location, kind=("others", location), exc_info=others)


def sendable(rejection: Rejection) -> Error | Disconnect:
    """The refusal itself if it can be sent, else the nearest one that can be; the log then says why.

    Attributes can be set later, and an ``__init__`` of the application may forget to set them.
    """
    try:
        if isinstance(rejection, Disconnect):
            check_disconnect_code(rejection.code)
            _check_text("reason", rejection.reason)
            return rejection
        if isinstance(rejection, Error):
            check_error_code(rejection.code)
            _check_text("message", rejection.message)
            return rejection
        problem = "it is neither an Error nor a Disconnect"
    except AttributeError as error:
        problem = f"{error}; an __init__ must call super().__init__(code, text)"
    except (TypeError, ValueError) as error:
        problem = str(error)
    nearest = _nearest(rejection)
    name = Trusted(type(rejection).__qualname__)
    text = "the refusal %s cannot be sent as it is: %s. %s is sent in its place"
    rate_limited.error(text, name, problem, nearest, kind=("refusal", name))
    return nearest


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"its {name} must be a str, not {text!r}")


def _nearest(rejection: Rejection) -> Error | Disconnect:
    if isinstance(rejection, Disconnect):
        code = _code_of(rejection, check_disconnect_code, disconnects.ForceNoReconnect.code)
        return Disconnect(code, fit_reason(_text_of(rejection, "reason", DISCONNECTS.get(code))))
    temporary = bool(getattr(rejection, "temporary", False))
    code = _code_of(rejection, check_error_code, (errors.Internal if temporary else errors.PermissionDenied).code)
    builtin = ERRORS.get(code)
    text = _text_of(rejection, "message", None if builtin is None else builtin.message)
    return Error(code, text, temporary=temporary)


def _code_of(rejection: Rejection, check: Callable[[object], int], default: int) -> int:
    try:
        return check(getattr(rejection, "code", None))
    except (TypeError, ValueError):
        return default


def _text_of(rejection: Rejection, name: str, builtin: str | None) -> str:
    text = getattr(rejection, name, None)
    return text if isinstance(text, str) else builtin or "refused"
