"""The way out of a hook's URL: which response may leave.

Centrifugo takes any JSON object with status 200 for consent, and follows redirects. So 2xx and 3xx leave only as the
reply of the dispatcher. A failure of the application (4xx, 5xx) leaves as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response

from .._dispatch.replies import Reply
from .background import run_in_background
from .request_state import RequestState
from .unexpected_answers import UnexpectedAnswers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_JSON_TYPE: Final = ("Content-Type", "application/json")
_TEXT_TYPE: Final = ("Content-Type", "text/plain")
_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
# Headers that describe the application's body, which does not leave.
_BODY_HEADERS: Final = ("content-", "transfer-encoding", "location", "etag", "last-modified", "accept-ranges")
FAILURE: Final = Reply(500, b"not an answer of a hook\n", "failed")
"""Leaves in place of an answer that Centrifugo would misread."""


class GuardedResponse:
    """The response to one request: the application starts it, and the reply takes the place of its body.

    It calls the server's ``start_response`` at once, when the application calls :meth:`start_response`: middleware
    around this one then still finds Flask's context, as it does without hooks.
    """

    __slots__ = (
        "_body_decided",
        "_replacement",
        "_start_response",
        "_state",
        "_unexpected_answers",
        "_written",
        "started",
    )

    def __init__(
        self, state: RequestState, start_response: StartResponse, unexpected_answers: UnexpectedAnswers
    ) -> None:
        self._state = state
        self._start_response = start_response
        self._unexpected_answers = unexpected_answers
        self.started = False
        """Whether the application has started its response."""
        self._body_decided = False
        self._replacement: bytes | None = None
        """The body that leaves in place of the application's; ``None`` if the application's leaves."""
        self._written: Sequence[bytes] = ()
        """What the application passes to WSGI's ``write``."""

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        """WSGI's ``start_response``, for the application."""
        if self._body_decided:  # another status would not belong to the body, even if nothing has been sent yet
            if exc_info is None:
                raise AssertionError("start_response was called again, after the body had begun")
            raise exc_info[1].with_traceback(exc_info[2])
        self.started = True
        self._written = ()  # of an earlier start, which this one replaces
        reply = self._state.reply
        if status >= "4":  # a status line, such as "404 NOT FOUND"
            self._unexpected_answers.log_failure(self._state, status)
            self._replacement = None
            self._state.sent = _as_reply(status, reply)
            self._start_response(status, list(headers), exc_info)
            written: list[bytes] = []
            self._written = written
            return written.append
        if reply is None or reply.status != 200:
            self._unexpected_answers.log_replaced(self._state, status)
            reply, headers = FAILURE, ()  # the headers are those of the answer that does not leave
        self._state.sent, self._replacement = reply, reply.body
        start_reply(self._start_response, reply, headers, exc_info)
        return _drop

    def body(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The body to send.

        :param chunks: the body of the application.
        """
        close = getattr(chunks, "close", None)
        if not self.started:
            chunks = iter(chunks)
            first = list(itertools.islice(chunks, 1))  # a lazy application starts its response here
            chunks = itertools.chain(first, chunks)
            if not self.started:  # it never does
                self.start_response("", ())
        self._body_decided = True
        if self._replacement is None:
            chunks = itertools.chain(self._written, chunks)
        else:
            chunks = (self._replacement,)
            if close is None and not self._state.background_tasks:
                return chunks
        return _ResponseBody(iter(chunks), close, self._state)


def _as_reply(status: str, reply: Reply | None) -> Reply:
    """What a status line of 4xx or 5xx says: the hook's reply, such as a temporary refusal, or a failure.

    :param reply: the decision of the dispatcher, which a function of the application may have replaced.
    """
    number = int(status[:3]) if status[:3].isdecimal() else 500
    return reply if reply is not None and reply.status == number else Reply(number, b"", "failed")


def _drop(written: bytes) -> None:
    """WSGI's ``write`` for a body that does not leave."""


class _ResponseBody:
    """The body on its way out. When it was sent, the background tasks start."""

    def __init__(self, chunks: Iterator[bytes], close: Callable[[], object] | None, state: RequestState) -> None:
        self._chunks = chunks
        self._close = close
        self._state = state

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        # The server asks for more, so it has sent everything before. No exception is being handled here: it would be
        # the context of each exception that the tasks raise.
        start_background_tasks(self._state)
        raise StopIteration

    def close(self) -> None:
        try:
            if self._close is not None:
                self._close()
        finally:
            start_background_tasks(self._state)


def start_background_tasks(state: RequestState) -> None:
    """Start the tasks of the request, once."""
    if state.background_tasks:
        tasks, state.background_tasks = state.background_tasks, ()
        run_in_background(state, tasks)


def start_reply(
    start_response: StartResponse, reply: Reply, headers: Iterable[tuple[str, str]] = (), exc_info: Any = None
) -> None:
    """Start the response for this reply.

    :param headers: those of the application; what describes its body is left out.
    """
    status = reply.status
    sent = [_JSON_TYPE if status == 200 else _TEXT_TYPE, ("Content-Length", str(len(reply.body)))]
    if headers:
        sent += [(name, value) for name, value in headers if not name.lower().startswith(_BODY_HEADERS)]
    if status == 405:
        sent.append(("Allow", "POST"))
    if exc_info is None:
        start_response(_STATUS_LINES[status], sent)
    else:
        start_response(_STATUS_LINES[status], sent, exc_info)


def flask_response(app: Flask, reply: Reply) -> Response:
    """The reply as a response of Flask."""
    mimetype = (_JSON_TYPE if reply.status == 200 else _TEXT_TYPE)[1]
    return app.response_class(reply.body, reply.status, mimetype=mimetype)
