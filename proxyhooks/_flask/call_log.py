"""The fields of log records that say which call they are about."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

from .._dispatch.events import Event
from .._wire.log import logger, quote
from .request_state import RequestState, request_state

FIELDS: Final = ("proxy_event", "hook", "pattern", "method", "channel", "client", "user")
"""The names of the fields. ``event`` is not free: structlog keeps the message under it."""
_OF_MESSAGE: Final = ("method", "channel", "client", "user")
_PLAIN: Final = re.compile(r"[^\s\"'=\[\]\\]+")
"""Values that stand in a text without quotation marks."""

_explicit_call: ContextVar[tuple[Mapping[str, str], RequestState | None] | None] = ContextVar(
    "proxyhooks.explicit_call", default=None
)
"""The fields that :func:`about_call` has set, and the state of Flask's request at that moment."""


class CallLogFilter(logging.Filter):
    """Gives log records the fields of the call in which they are made; it drops no record.

    ::

        handler.addFilter(CallLogFilter())

    The fields are ``proxy_event``, ``hook``, ``pattern``, ``method``, ``channel``, ``client`` and ``user``, each cut
    after 200 characters. A field that the record has already stays as it is. What the call does not have, such as the
    ``user`` of a connect request, is left out.

    The records of this package and of ``app.logger`` have the fields without it.

    :param missing: the value of fields that are left out otherwise, such as ``"-"``. A format like ``%(user)s`` needs
        it, as not every record is made in a call.
    """

    def __init__(self, *, missing: str | None = None) -> None:
        super().__init__()
        self.missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        present = vars(record)
        for name, value in current_call().items():
            present.setdefault(name, value)
        if self.missing is not None:
            for name in FIELDS:
                present.setdefault(name, self.missing)
        return True


class _CallTextFilter(CallLogFilter):
    """Adds the fields to the text of the record too: at the end of its first line."""

    def filter(self, record: logging.LogRecord) -> bool:
        text, template, args = call_text(), record.msg, record.args or ()
        if text and isinstance(template, str) and isinstance(args, tuple):
            if not args:
                template = template.replace("%", "%%")
            first, newline, more = template.partition("\n")
            before = first.count("%") - 2 * first.count("%%")  # the values of the first line
            # A value, not a part of the template: tools count records by their template.
            record.msg, record.args = f"{first}%s{newline}{more}", (*args[:before], text, *args[before:])
        return super().filter(record)


call_log_filter: Final = CallLogFilter()
"""For ``app.logger``."""
logger.addFilter(_CallTextFilter())


def call_fields(state: RequestState) -> dict[str, str]:
    """The fields of a call. What clients choose is cut, and has no control characters."""
    fields = {"proxy_event": state.event.name, "hook": state.hook, "pattern": state.pattern}
    known = {name: value for name, value in fields.items() if value is not None}
    return known | _message_fields({name: getattr(state.message, name, None) for name in _OF_MESSAGE})


def _message_fields(message: Mapping[str, Any]) -> dict[str, str]:
    return {name: quote(message[name]) for name in _OF_MESSAGE if isinstance(message.get(name), str)}


def current_call() -> Mapping[str, str]:
    """The fields of the call that is being answered, or whose ``after_reply`` function runs; empty without one."""
    try:
        state, explicit = request_state(), _explicit_call.get()
        if explicit is not None and explicit[1] is state:  # else the call is a later one, made from there
            return explicit[0]
        return {} if state is None else call_fields(state)
    except Exception:  # no line is lost because something is wrong with its fields
        return {}


def call_text() -> str:
    """The fields of the current call for the end of a text: `` [event=rpc method=a user=42]``; empty without one."""
    parts = [f"{name.removeprefix('proxy_')}={as_one_word(value)}" for name, value in current_call().items()]
    return f" [{' '.join(parts)}]" if parts else ""


def as_one_word(value: str) -> str:
    """The value of a field in a text: one with spaces, for example, has quotation marks."""
    return value if _PLAIN.fullmatch(value) else repr(value)


@contextmanager
def about_call(fields: Mapping[str, str]) -> Iterator[None]:
    """Have the records that are made in the block say that they are about this call.

    For code outside of Flask's request context. A call that is made in the block has fields of its own.
    """
    token = _explicit_call.set((fields, request_state()))
    try:
        yield
    finally:
        _explicit_call.reset(token)


def about_event(event: Event, message: Mapping[str, Any] = MappingProxyType({})) -> AbstractContextManager[None]:
    """As :func:`about_call`, for a request that has no RequestState yet.

    :param message: what is known of the request's message.
    """
    return about_call({"proxy_event": event.name} | _message_fields(message))
