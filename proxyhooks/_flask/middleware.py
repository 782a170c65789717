"""The outermost layer, around ``app.wsgi_app``: what reaches a hook's URL, and what may leave from it.

The way in is ``_entrance``: method, size and secret are checked and the message is read, before any function of the
application runs.
On the way out a status of 2xx or 3xx leaves only as the answer of ``_dispatch``: Centrifugo would take any other JSON
for consent, and would follow a redirect to it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response

from .._dispatch.dispatcher import Call, Dispatcher, logger
from .._dispatch.events import Event
from .._dispatch.replies import Reply
from .._dispatch.signatures import source_location
from .._settings.secrets import Secrets
from ..messages import Request
from ..signals import hook_finished
from .background import BackgroundTask, run_in_background
from .ingress import HTTPRejection, authenticate_and_check_size, read_body, read_call, refused, size_limit
from .load_shedding import LoadShedder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CURRENT: Final = "proxyhooks.current"
"""Where the environ keeps the :class:`Passage` of a request."""
_JSON: Final = "application/json"
SETTLED: Final[list[bytes]] = []
"""Nothing is to be said but the answer that the passage has."""
_SLASHES: Final = re.compile("/{2,}")
# Headers that describe the body the application wrote, which is not the body that leaves.
_OF_THE_BODY: Final = ("content-", "transfer-encoding", "location", "etag", "last-modified", "accept-ranges")


@dataclass
class Passage:
    """A request to a hook on its way through Flask."""

    message: Request
    app: Flask
    call: Call | None = None
    dispatcher: Dispatcher | None = None
    # What is to come stands in the class until it has.
    answer: Reply | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)
    """What Flask's error handlers were asked about."""
    after: tuple[BackgroundTask, ...] = field(default=(), init=False)
    """What :func:`proxyhooks.after_reply` was given."""
    said: tuple[str, list[tuple[str, str]], Any] = field(default=("", [], None), init=False)
    """Status, headers and exc_info of the application's response."""
    written: list[bytes] | None = field(default=None, init=False)
    """What the application wrote in the way that WSGI has for old ones."""

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        """WSGI's own, which keeps what the application says."""
        self.said, self.written = (status, headers, exc_info), []
        return self.written.append


def settle(passage: Passage) -> Reply:
    """Have the call answered by its hook, and tell who listens.

    :raises Exception: whatever the hook raises, but for refusals.
    """
    assert passage.call is not None
    assert passage.dispatcher is not None
    try:
        answer = passage.answer = passage.dispatcher.dispatch(passage.call)
    except BaseException:
        _tell(passage, passage.call.event, None)
        raise
    if hook_finished.receivers:
        _tell(passage, passage.call.event, answer)
    return answer


def _tell(passage: Passage, event: Event, answer: Reply | None) -> None:
    hook_finished.send(passage.app, event=event.name, request=passage.message, answer=answer)


@dataclass(frozen=True, slots=True)
class Target:
    """What is behind a hook's URL."""

    event: Event
    secrets: Secrets
    load_shedder: LoadShedder
    dispatcher: Callable[[], Dispatcher]


class Middleware:
    """A WSGI application around another one."""

    def __init__(self, app: Flask, wsgi_app: WSGIApplication) -> None:
        self.targets: dict[str, Target] = {}
        self.wsgi_app = wsgi_app
        self.fast_path = wsgi_app
        """Where calls go that may go on. It may return :data:`SETTLED` instead of a response."""
        self._app = app
        self._warned: set[tuple[str, str]] = set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        target = self.targets.get(path)
        if target is None:
            if (meant := _SLASHES.sub("/", path).rstrip("/")) in self.targets:
                # Flask would find its way, past this guard.
                logger.warning("%s is no URL of a hook: %s is", path, meant)
                return _send(start_response, Reply(404, b"no hook is here\n", "failed"))
            return self.wsgi_app(environ, start_response)
        limit = size_limit(self._app)
        try:
            length = authenticate_and_check_size(environ, target.secrets, limit)
            if target.load_shedder.should_shed(environ):
                raise refused(503, "too late")
            call = read_call(target.event, read_body(environ, length, limit))
            dispatcher = target.dispatcher()
            if not dispatcher.serves(target.event):
                raise refused(404, "no hook serves this event")
        except HTTPRejection as refusal:
            return _send(start_response, refusal.answer)
        passage = environ[CURRENT] = Passage(call.message, self._app, call, dispatcher)
        try:
            return self._leave(passage, environ, start_response)
        except BaseException:
            if passage.after:
                run_in_background(self._app, passage.after)
            raise

    def _leave(self, passage: Passage, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = self.fast_path(environ, passage.start_response)
        if body is SETTLED and passage.answer is not None:
            sent = passage.answer.body
            start_response("200 OK", [("Content-Type", _JSON), ("Content-Length", str(len(sent)))])
            return ReplyBody(iter((sent,)), None, self._app, passage.after) if passage.after else (sent,)
        chunks = iter(body)
        first = [] if passage.written is not None else list(itertools.islice(chunks, 1))
        status, headers, exc_info = passage.said  # a lazy application says it when its body is asked for
        if status >= "4":
            self._warn_of_page(passage, status, environ)
            start_response(status, headers, exc_info)
            chunks = itertools.chain(passage.written or (), first, chunks)
        elif passage.answer is not None and passage.answer.status == 200:
            chunks = iter(_send(start_response, passage.answer, headers))
        else:
            logger.error("%s", self._explain(passage, status, environ))
            chunks = iter(_send(start_response, Reply(500, b"not an answer of a hook\n", "failed")))
        return ReplyBody(chunks, getattr(body, "close", None), self._app, passage.after)

    def _warn_of_page(self, passage: Passage, status: str, environ: WSGIEnvironment) -> None:
        """Say it, once each, when the application answers instead of a hook: nothing else would."""
        key = (environ["PATH_INFO"], status)
        if passage.answer is None and passage.error is None and key not in self._warned:
            self._warned.add(key)
            text = "%s: the application answered %s before a hook was asked, for which clients try again and again. %s"
            before = self._before_request() or "those of extensions"
            logger.warning(text, *key, f"Functions that run before: {before}. Let them {_leave_alone(key[0])}")

    def _before_request(self) -> str:
        functions = itertools.chain.from_iterable(self._app.before_request_funcs.values())
        return ", ".join(map(source_location, functions))

    def _explain(self, passage: Passage, status: str, environ: WSGIEnvironment) -> str:
        path = environ["PATH_INFO"]
        if passage.error is not None:
            culprit = f"an error handler of the application made it out of {passage.error!r}"
        elif passage.answer is not None:
            culprit = "something in the application replaced a failure"
        else:
            before = self._before_request() or "of an extension"
            culprit = f"a before_request function answered instead of a hook: {before}"
        return (
            f"{path}: the application answered {status}, which Centrifugo would take for consent or follow; "
            f"it gets 500. Most likely {culprit}. Let it {_leave_alone(path)}"
        )


def _leave_alone(path: str) -> str:
    return f"leave hooks alone, which are the requests with request.path.startswith({path.rpartition('/')[0] + '/'!r})"


class ReplyBody:
    """The body on its way out; when it is sent, what :func:`proxyhooks.after_reply` was given runs."""

    def __init__(
        self, chunks: Iterator[bytes], close: Callable[[], object] | None, app: Flask, after: Sequence[BackgroundTask]
    ) -> None:
        self._chunks = chunks
        self._close = close
        self._app = app
        self._after = after

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            # Whoever asks again has sent what there was.
            self._sent()
            raise

    def close(self) -> None:
        try:
            if self._close is not None:
                self._close()
        finally:
            self._sent()

    def _sent(self) -> None:
        if self._after:
            after, self._after = self._after, ()
            run_in_background(self._app, after)


def response_of(app: Flask, answer: Reply) -> Response:
    """The answer as a response of Flask."""
    return app.response_class(answer.body, answer.status, mimetype=mimetype_of(answer))


def mimetype_of(answer: Reply) -> str:
    return _JSON if answer.status == 200 else "text/plain"


_STATUS: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def _send(start_response: StartResponse, answer: Reply, headers: Iterable[tuple[str, str]] = ()) -> tuple[bytes]:
    sent = [(name, value) for name, value in headers if not name.lower().startswith(_OF_THE_BODY)]
    sent += [("Content-Type", mimetype_of(answer)), ("Content-Length", str(len(answer.body)))]
    if answer.status == 405:
        sent.append(("Allow", "POST"))
    start_response(_STATUS[answer.status], sent)
    return (answer.body,)
