"""Random Flask applications with hooks, to compare requests with and without the fast path.

The functions of an app write what they do and see into its trace. So two applications of one seed have equal
traces if the same functions ran in the same order and saw the same context.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import io
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import flask
from flask import Flask, g, request, session
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix

import proxyhooks as ph
from proxyhooks import ProxyHooks, after_reply, current_request, errors, signals
from tests.support.fast_path import behind

from .extensions import EXTENSIONS

SECRET = "s3cret"
INNER_PATH = "/page/3"
SIGNALS = [
    flask.request_started,
    flask.request_finished,
    flask.request_tearing_down,
    flask.got_request_exception,
    flask.appcontext_pushed,
    flask.appcontext_tearing_down,
    flask.appcontext_popped,
    signals.hook_finished,
]


NOT_JSON = [datetime.date(2030, 1, 2), Decimal("0.10"), UUID(int=1)]
"""Values that ``app.json`` writes."""


class PlainSchema(Schema):
    text = fields.String(required=True, validate=validate.Length(1, 20))
    room = fields.Integer(strict=True, validate=validate.Range(0, 100))
    tags = fields.List(fields.String())
    color = fields.String(load_default="red", allow_none=True, validate=validate.OneOf(["red", "green"]))


class SchemaWithHooks(PlainSchema):
    @post_load
    def made(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "made": True}

    @validates("text")
    def not_no(self, value: str, data_key: str = "") -> None:
        if value == "no":
            raise ValidationError("no is no answer")


class MetaSchema(Schema):
    tenant = fields.Integer(required=True)


class _OwnG(flask.ctx._AppCtxGlobals):
    own = 2


def _own_requests(generated_app: GeneratedApp, trusted: list[str] | None) -> type[flask.Request]:
    class OwnRequest(flask.Request):
        own, trusted_hosts = 1, trusted

        def __init__(self, environ: Any, *args: Any) -> None:
            super().__init__(environ, *args)
            generated_app.note("request made", flask.has_request_context())

    return OwnRequest


class _OwnJson(flask.json.provider.DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return ["own", super().loads(s, **kwargs)]


class _SubclassResponse(flask.Response):
    default_mimetype = "text/html"


class _HeaderAddingResponse(flask.Response):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["X-Told"] = "by the class"


@dataclass
class Reply:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    raised: str


class GeneratedApp:
    """A Flask application made from a seed, and the trace of its functions.

    :param fast: whether its hooks take the fast path.
    """

    def __init__(self, seed: str, fast: bool) -> None:
        self.trace: list[Any] = []
        self.rng = random.Random(seed)
        self.look_probability = self.rng.choice([0, 0.1, 0.8])
        self.app = self._create_flask(fast)
        self._register_error_handlers()
        # Half of the applications run nothing around hooks, so that the fast path creates no flask.Request.
        if self.rng.random() < 0.5:
            self._register_request_functions()
            for extension in EXTENSIONS:
                if self.rng.random() < 0.08:
                    extension(self.app, self.note)
        if self.rng.random() < 0.03:
            self.app.wsgi_app = ProxyFix(self.app.wsgi_app)
        options: dict[str, Any] = {"meta_schema": MetaSchema} if self.rng.random() < 0.2 else {}
        self.hooks = ProxyHooks(self.app, secrets=[SECRET], **options)
        self._register_hooks()
        self._change_as_tools_do()
        self.heard_signals = [signal for signal in SIGNALS if self.rng.random() < 0.15]

    def note(self, *what: Any) -> None:
        self.trace.append(what)

    # The application

    def _create_flask(self, fast: bool) -> Flask:
        rng = self.rng
        app = (Flask if rng.random() < 0.9 else _with_own_methods(self))("generated")
        app.config |= {"PROXYHOOKS_FAST": fast, "PROXYHOOKS_TIMEOUT": 1000}  # however slow the machine is
        app.logger.setLevel(logging.CRITICAL)
        if rng.random() < 0.5:
            app.secret_key = "key"
        app.testing = rng.random() < 0.1
        for key, value in {
            "TRUSTED_HOSTS": ["a.example", "b.example"],
            "SERVER_NAME": "a.example",
            "SESSION_COOKIE_NAME": "other",
            "PROPAGATE_EXCEPTIONS": True,
            "TRAP_HTTP_EXCEPTIONS": True,
            "SESSION_REFRESH_EACH_REQUEST": False,
            "PROXYHOOKS_VALIDATION_DETAILS": True,
            "MAX_CONTENT_LENGTH": 500,
        }.items():
            if rng.random() < 0.07:
                app.config[key] = value
        if rng.random() < 0.03:
            app.request_class = _own_requests(self, rng.choice([None, ["a.example", "[::1]"]]))
        if rng.random() < 0.1:
            app.response_class = rng.choice([_SubclassResponse, _HeaderAddingResponse])
        if rng.random() < 0.1:
            app.session_interface = _OwnSessions(self)
        elif rng.random() < 0.05:
            app.session_interface = flask.sessions.SecureCookieSessionInterface()
            app.session_interface.session_class = _OwnSession
        if rng.random() < 0.1:
            app.app_ctx_globals_class = _OwnG
        if rng.random() < 0.1:
            app.json = _OwnJson(app)
        return app

    def _register_request_functions(self) -> None:
        """Register functions that run before and after hooks."""
        app, rng = self.app, self.rng
        for n in range(_small_number(rng)):
            app.before_request(self._before_request_function(f"before{n}", 0.15))
        for n in range(_small_number(rng)):
            app.after_request(self._after_request_function(f"after{n}"))
        for n in range(_small_number(rng)):
            app.teardown_request(lambda error, n=n: self.note("teardown", n, repr(error), self._look()))
        if rng.random() < 0.1:
            app.url_value_preprocessor(lambda endpoint, values: self.note("values", endpoint, dict(values or {})))
        if rng.random() < 0.1:
            blueprint = flask.Blueprint("other", __name__)
            blueprint.before_app_request(self._before_request_function("blueprint's", 0.1))
            blueprint.before_request(self._before_request_function("not for hooks", 0))
            app.register_blueprint(blueprint)

    def _register_error_handlers(self) -> None:
        rng = self.rng
        for error in (ValueError, errors.PermissionDenied, ph.Error, 403, 500, Exception):
            if rng.random() < 0.1:
                self.app.register_error_handler(error, self._error_handler(repr(error), rng.randrange(5)))

    def _change_as_tools_do(self) -> None:
        """Replace views and methods, and add functions, as tools and extensions do after ``init_app``."""
        app, rng = self.app, self.rng
        if rng.random() < 0.05:
            # That of the event, or of a hook.
            endpoint = rng.choice([name for name in app.view_functions if name.startswith("proxyhooks_")])
            view = app.view_functions[endpoint]

            @functools.wraps(view)
            def wrapped(**values: Any) -> Any:
                self.note("wrapped view", values)
                return view(**values)

            app.view_functions[endpoint] = wrapped
        if rng.random() < 0.02:
            dispatch = app.dispatch_request
            app.dispatch_request = lambda: (self.note("dispatch"), dispatch())[1]
        for n in range(_small_number(rng)):
            app.teardown_appcontext(lambda error, n=n: self.note("teardown app", n, repr(error), dict(vars(g))))
        app.add_url_rule("/page/<int:n>", "page", lambda n: str(n))

    # What its functions do

    def _look(self) -> Any:
        """Return one thing that a function finds in the context; None mostly, as access creates some of them."""
        if self.rng.random() > self.look_probability:
            return None
        things = [
            lambda: (request.endpoint, request.blueprint, str(request.url_rule), request.view_args),
            lambda: (request.host, request.url, request.method, request.remote_addr, request.is_secure),
            lambda: sorted(request.headers.items()),
            lambda: request.get_data(),
            lambda: request.get_json(silent=True),
            lambda: dict(request.cookies),
            lambda: dict(session),
            lambda: (session.permanent, session.new, session.modified) if self.app.secret_key else None,
            lambda: (dict(vars(g)), getattr(g, "own", None)),
            lambda: request.trusted_hosts,
            lambda: flask.url_for("page", n=1),
            lambda: repr(current_request._get_current_object()),
            lambda: (flask.has_app_context(), flask.has_request_context(), flask.current_app.name),
            lambda: request.__class__.__name__,
        ]
        return _result_or_error(self.rng.choice(things))

    def _act(self) -> None:
        """Do something at random, and write it into the trace."""
        actions: list[Callable[[], Any]] = [
            lambda: setattr(g, "value", self.rng.random()),
            lambda: session.update(n=1),
            lambda: session.clear(),
            lambda: setattr(session, "permanent", True),
            lambda: setattr(request, "routing_exception", ServiceUnavailable()),
            lambda: setattr(request, "url_rule", next(self.app.url_map.iter_rules("page"))),
            lambda: flask.flash("hello"),
            lambda: flask.get_flashed_messages(),
            lambda: flask.after_this_request(self._after_request_function("this")),
            lambda: after_reply(self.note, "after reply"),
            self._in_another_context,
            lambda: flask.copy_current_request_context(lambda: self.note("copied", self._look()))(),
            lambda: flask.render_template_string("{{ request.path }} {{ g.value }} {{ session.get('n') }}"),
            lambda: None,
            lambda: None,
            lambda: None,
        ]
        act = self.rng.choice(actions)
        done = _result_or_error(act)
        self.note("act", done if isinstance(done, (str, list)) else type(done).__name__)

    def _in_another_context(self) -> None:
        with self.app.app_context():
            g.inner = 1
            self.note("inner", dict(vars(g)))
        with self.app.test_request_context(INNER_PATH):
            self.note("inner request", request.path, self._look())
        with behind(flask.globals.request_ctx):
            self.note("the same again", self._look())

    def _random_failure(self) -> Any:
        return self.rng.choice(
            [
                errors.PermissionDenied("no"),
                errors.TooManyRequests(),
                ph.Disconnect(4501, "go"),
                ph.Error(1001, "own"),
                ValueError("wrong"),
                KeyError("wrong"),
                403,
                401,
                500,
            ]
        )

    def _before_request_function(self, name: str, failure_probability: float) -> Callable[[], Any]:
        def function() -> Any:
            self.note(name, self._look())
            if self.rng.random() < 0.3 * self.look_probability:
                self._act()
            if self.rng.random() < failure_probability:
                if self.rng.random() < 0.3:
                    responses: list[Any] = ["page", flask.redirect("/login"), ({"a": 1}, 418), ("", 204)]
                    return self.rng.choice(responses)
                _raise(self._random_failure())
            return None

        return function

    def _after_request_function(self, name: str) -> Callable[[flask.Response], Any]:
        def after(response: flask.Response) -> Any:
            self.note(name, response.status, sorted(response.headers.items()), type(response).__name__, self._look())
            what = self.rng.randrange(12)
            if what == 0:
                response.headers["X-Own"] = name
            elif what == 1:
                response.set_data(b"other")
            elif what == 2:
                return flask.Response("other", 200)
            elif what == 3:
                response.set_cookie("a", "b")
            elif what == 4:
                raise ValueError(name)
            elif what == 5:
                response.call_on_close(lambda: self.note("closed"))
            elif what == 6:
                response.status_code = 503
            elif what == 7:
                return None  # a mistake, for which Flask raises an exception only after its error handling
            return response

        return after

    def _error_handler(self, name: str, what: int) -> Callable[[Any], Any]:
        def handler(error: Any) -> Any:
            self.note("handler", name, repr(error), self._look())
            if what == 0:
                raise errors.NotAvailable from error
            if what == 1:
                raise error
            return [({"handled": True}, 200), ("handled", 409), error][what - 2]

        return handler

    # Its hooks

    def _register_hooks(self) -> None:
        rng = self.rng
        if rng.random() < 0.2:
            every_event: Any = {"every_event": rng.random() < 0.5}
            self.hooks.before_hook(**every_event)(lambda req: (self.note("before_hook", repr(req)), None)[1])
        payload: dict[str, Any] = {
            "data_schema": rng.choice([PlainSchema, PlainSchema, SchemaWithHooks, PlainSchema(unknown="exclude")])
        }
        if rng.random() < 0.2:
            payload = {"data_schema": lambda data: data}
        elif rng.random() < 0.2:
            payload = {}
        if rng.random() < 0.2:
            payload["decorators"] = [self._decorator]
        result: dict[str, Any] = (
            {"result_schema": rng.choice([PlainSchema, SchemaWithHooks])} if rng.random() < 0.2 else {}
        )
        self.hooks.connect(self._hook(lambda req: ph.ConnectResult(user="1", meta={"tenant": 1})))
        self.hooks.refresh(self._hook(lambda req: ph.RefreshResult(expire_at=2**40)))
        self.hooks.subscribe("chat:<int:n>", **payload)(
            self._hook(lambda req, n: ph.SubscribeResult(data=[n, *NOT_JSON]))
        )
        self.hooks.sub_refresh(self._hook(lambda req: ph.SubRefreshResult(expired=True)))
        self.hooks.publish(self._hook(lambda req: ph.PublishResult()))
        if rng.random() < 0.5:
            self.hooks.rpc("say", **payload, **result)(self._hook(lambda req: ph.RPCResult(data=req.data)))
        else:
            self.hooks.rpc("say", **payload, **result)(self._async_hook())
        self.hooks.map_publish("chat:<int:n>", **payload)(self._hook(lambda req, n: ph.MapPublishResult()))

    def _hook(self, result: Callable[..., Any]) -> Callable[..., Any]:
        def hook(req: Any, **variables: Any) -> Any:
            self.note("hook", repr(req), variables, self._look())
            for _ in range(_small_number(self.rng) if self.look_probability else 0):
                self._act()
            what = self.rng.random()
            if what < 0.15:
                _raise(self._random_failure())
            if what < 0.18:
                return None
            if what < 0.2:
                return ph.RPCResult(data={1, 2})
            if what < 0.21:
                flask.abort(flask.make_response("own", 200))
            return result(req, **variables)

        return functools.wraps(result)(hook)

    def _decorator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def decorated(*args: Any, **variables: Any) -> Any:
            self.note("decorator", repr(args), variables, self._look())
            return function(*args, **variables)

        return decorated

    def _async_hook(self) -> Callable[..., Any]:
        hook = self._hook(lambda req: ph.RPCResult(data=req.data))

        async def async_hook(req: Any) -> Any:
            return hook(req)

        return async_hook

    # Requests to it

    @contextmanager
    def receivers_connected(self) -> Iterator[None]:
        """Connect receivers to some of the signals of this application."""
        receivers: list[Callable[..., Any]] = []
        for signal in self.heard_signals:

            def receive(sender: Any, _name: str = signal.name, **given: Any) -> None:
                if isinstance(call := given.get("call"), signals.FinishedCall):
                    given["call"] = dataclasses.replace(call, duration=0.0, queue_time=None)
                self.note(
                    "signal",
                    _name,
                    sorted(given),
                    [
                        repr(v)
                        for k, v in sorted(given.items())
                        if k != "_async_wrapper" and not isinstance(v, flask.Response)
                    ],
                )

            signal.connect(receive, self.app)
            receivers.append(receive)
        yield
        for signal, receive in zip(self.heard_signals, receivers, strict=True):
            signal.disconnect(receive, self.app)

    def send(self, seed: str, environ: dict[str, Any]) -> Reply:
        """Send a request; its functions use random numbers of this seed."""
        self.rng.seed(seed)
        started: list[Any] = ["", [], None]

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
            started[:] = [status, headers, exc_info]
            return lambda chunk: None

        body, raised = b"", ""
        with self.receivers_connected():
            try:
                chunks = self.app({**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"])}, start_response)
                body = b"".join(chunks)
                if hasattr(chunks, "close"):
                    chunks.close()
            except Exception as error:
                raised = repr(error)
            if body.startswith(b"\x1f\x8b"):
                body = body[:4] + bytes(4) + body[8:]  # gzip writes the second
            self.note("left", flask.has_app_context(), flask.has_request_context())
        return Reply(started[0], sorted(started[1]), body, raised)


def _small_number(rng: random.Random) -> int:
    return rng.choice([0, 0, 0, 1, 1, 2])


def _result_or_error(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception as error:
        return repr(error)


def _raise(what: Any) -> None:
    if isinstance(what, int):
        flask.abort(what)
    raise what


class _OwnSession(flask.sessions.SecureCookieSession):
    def __init__(self, initial: Any = None) -> None:
        super().__init__(initial)
        self.setdefault("id", "x")


class _OwnSessions(flask.sessions.SecureCookieSessionInterface):
    def __init__(self, generated_app: GeneratedApp) -> None:
        self.generated_app = generated_app

    def open_session(self, app: Flask, request: flask.Request) -> Any:
        self.generated_app.note("session opened", request.endpoint)
        if self.generated_app.rng.random() < 0.05:
            self.generated_app.note("of itself", _result_or_error(lambda: session.get("n")))
        # Not for the inner request: Flask would leave its context pushed, above that of the outer request.
        if request.path != INNER_PATH and self.generated_app.rng.random() < 0.05:
            raise OSError("no store of sessions")
        return super().open_session(app, request)


def _with_own_methods(generated_app: GeneratedApp) -> type[Flask]:
    """Return a subclass of Flask that overrides one of its methods."""
    names = [
        "dispatch_request",
        "preprocess_request",
        "finalize_request",
        "full_dispatch_request",
        "do_teardown_request",
    ]
    name = generated_app.rng.choice(
        [*names, "handle_exception", "handle_user_exception", "create_url_adapter", "log_exception"]
    )

    def method(self: Flask, *args: Any, **kwargs: Any) -> Any:
        generated_app.note("own", name)
        return getattr(Flask, name)(self, *args, **kwargs)

    return type("OwnFlask", (Flask,), {name: method})
