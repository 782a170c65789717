"""The event log: one line for each request to a hook's URL."""

from __future__ import annotations

import logging
import sys
import time
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from flask import Flask

from .._settings.settings import EventLogForm
from .._wire.log import GUNICORN_LOG, MAX_QUOTED, quote
from ..signals import FinishedCall, hook_finished
from .call_log import as_one_word

EVENT_LOG_KEY: Final = "proxyhooks.event_log"
"""The key of the event log in ``app.extensions``."""
event_logger: Final = logging.getLogger("proxyhooks.events")
_gunicorn_logger: Final = logging.getLogger(GUNICORN_LOG)
_PLAIN_HANDLERS: Final = (logging.StreamHandler, logging.FileHandler)
"""Handlers that write a record to their stream, and do no more: the line goes there without a record."""


class EventLog:
    """A receiver of ``hook_finished`` that writes a line.

    The line goes to gunicorn's error log if there is one, else to standard error, as it is. If the application gives
    the logger ``proxyhooks.events`` a handler, that handler gets a record, which has the fields as attributes too.
    """

    def __init__(self, form: EventLogForm) -> None:
        self._format = _text_line if form == "text" else _json_line
        self._second = 0, ""
        """The last second of a line, since the epoch, and as text."""

    def __call__(self, app: Flask, call: FinishedCall) -> None:
        # Neither logging's formatters nor datetime: each takes longer than all of this.
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            self._second = second, text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        code = call.status if call.outcome == "failed" else call.code
        client, user = _shown(call.request, "client"), _shown(call.request, "user")
        line = self._format(f"{text}.{int((now - second) * 1000):03}Z", call, code, client, user)
        if not event_logger.handlers:
            _write(line)
            return
        fields: dict[str, Any] = {"proxy_event": call.event, "hook": call.hook, "outcome": call.outcome, "code": code}
        fields |= {"duration": call.duration, "client": client, "user": user}
        place = event_logger.name, logging.INFO, __file__, 0
        event_logger.handle(event_logger.makeRecord(*place, line, (), None, extra=fields))


def install_event_log(app: Flask, form: EventLogForm) -> None:
    """Write a line for each call of the application."""
    app.extensions[EVENT_LOG_KEY] = event_log = EventLog(form)  # the signal refers to it weakly
    hook_finished.connect(event_log, app)


def _shown(message: Any, name: str) -> str | None:
    """A field of the message, without control characters, and cut: the client may have chosen it."""
    value: str | None = getattr(message, name, None)
    return value if value is None or (len(value) <= MAX_QUOTED and value.isprintable()) else quote(value)


def _text_line(time: str, call: FinishedCall, code: int | None, client: str | None, user: str | None) -> str:
    return (
        f"{time} event={call.event}{_pair('hook', call.hook)} outcome={call.outcome}"
        f"{'' if code is None else f' code={code}'} duration={call.duration:.6f}"
        f"{_pair('client', client)}{_pair('user', user)}"
    )


def _pair(name: str, value: str | None) -> str:
    return "" if value is None else f" {name}={as_one_word(value)}"


def _json_line(time: str, call: FinishedCall, code: int | None, client: str | None, user: str | None) -> str:
    return (
        f'{{"time":"{time}","event":"{call.event}","hook":{_json(call.hook)},"outcome":"{call.outcome}",'
        f'"code":{"null" if code is None else code},"duration":{call.duration:.6f},'
        f'"client":{_json(client)},"user":{_json(user)}}}'
    )


def _json(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


def _write(line: str) -> None:
    """Write the line without the format of gunicorn's log, which would make it no JSON."""
    handlers = _gunicorn_logger.handlers
    if not handlers:
        _write_to(sys.stderr, line)
    for handler in handlers:
        if not isinstance(handler, logging.StreamHandler):  # that of syslog, for example
            handler.handle(_bare_record(line))
            continue
        handler.acquire()  # gunicorn may be opening its file anew
        try:
            if type(handler) in _PLAIN_HANDLERS and handler.stream is not None:
                _write_to(handler.stream, line)
            else:
                _emit_bare(handler, line)
        finally:
            handler.release()


def _emit_bare(handler: logging.Handler, line: str) -> None:
    """Have a handler of another class write the line: it may have to rotate its file first, or to open it."""
    formatter = handler.formatter
    handler.formatter = None
    try:
        handler.emit(_bare_record(line))
    finally:
        handler.formatter = formatter


def _bare_record(line: str) -> logging.LogRecord:
    return logging.LogRecord(event_logger.name, logging.INFO, __file__, 0, line, (), None)


def _write_to(stream: Any, line: str) -> None:
    try:
        stream.write(f"{line}\n")
    except UnicodeEncodeError:
        stream.write(f"{line.encode('ascii', 'backslashreplace').decode()}\n")
    stream.flush()
