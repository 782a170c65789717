"""Applications made up at random: for a comparison of two ways through Flask.

A plan is a seed. Whatever an application does when a function of it runs goes into its trace, so two applications of
one plan that run the same functions with the same things around them in the same order have the same trace.
"""

from __future__ import annotations

import functools
import io
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import flask
from flask import Flask, g, request, session
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix

import proxyhooks as ph
from proxyhooks import ProxyHooks, after_reply, current_request, errors, signals

from .extensions import EXTENSIONS

SECRET = "s3cret"
INNER = "/page/3"
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


class Plain(Schema):
    text = fields.String(required=True, validate=validate.Length(1, 20))
    room = fields.Integer(strict=True, validate=validate.Range(0, 100))
    tags = fields.List(fields.String())
    color = fields.String(load_default="red", allow_none=True, validate=validate.OneOf(["red", "green"]))


class Hooked(Plain):
    @post_load
    def made(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "made": True}

    @validates("text")
    def not_no(self, value: str, data_key: str = "") -> None:
        if value == "no":
            raise ValidationError("no is no answer")


class Meta(Schema):
    tenant = fields.Integer(required=True)


class OwnG(flask.ctx._AppCtxGlobals):
    own = 2


def _own_requests(application: Application, trusted: list[str] | None) -> type[flask.Request]:
    class OwnRequest(flask.Request):
        own, trusted_hosts = 1, trusted

        def __init__(self, environ: Any, *args: Any) -> None:
            super().__init__(environ, *args)
            application.note("request made", flask.has_request_context())

    return OwnRequest


class _OwnJson(flask.json.provider.DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return ["own", super().loads(s, **kwargs)]


class _TextResponse(flask.Response):
    default_mimetype = "text/html"


class _TellingResponse(flask.Response):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["X-Told"] = "by the class"


@dataclass
class Reply:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    raised: str


class Application:
    """One of a plan, with its trace."""

    def __init__(self, seed: str, fast: bool) -> None:
        self.trace: list[Any] = []
        self.chance = random.Random(seed)
        self.curious = self.chance.choice([0, 0.1, 0.8])
        self.app = self._flask(fast)
        self._handlers()
        # With nothing before and after a hook nothing makes Flask's request, which is another way for what comes then.
        if self.chance.random() < 0.5:
            self._around()
            for extension in EXTENSIONS:
                if self.chance.random() < 0.08:
                    extension(self.app, self.note)
        if self.chance.random() < 0.03:
            self.app.wsgi_app = ProxyFix(self.app.wsgi_app)  # type: ignore[method-assign]  # as in its documentation
        options: dict[str, Any] = {"meta_schema": Meta} if self.chance.random() < 0.2 else {}
        self.hooks = ProxyHooks(self.app, secrets=[SECRET], **options)
        self._hooks()
        self._others()
        self.listened = [signal for signal in SIGNALS if self.chance.random() < 0.15]

    def note(self, *what: Any) -> None:
        self.trace.append(what)

    # --- the application ---

    def _flask(self, fast: bool) -> Flask:
        chance = self.chance
        app = (Flask if chance.random() < 0.9 else _with_own_methods(self))("planned")
        app.config |= {"PROXYHOOKS_FAST": fast, "PROXYHOOKS_TIMEOUT": 1000}  # however slow the machine is
        app.logger.setLevel(logging.CRITICAL)
        if chance.random() < 0.5:
            app.secret_key = "key"
        app.testing = chance.random() < 0.1
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
            if chance.random() < 0.07:
                app.config[key] = value
        if chance.random() < 0.03:
            app.request_class = _own_requests(self, chance.choice([None, ["a.example", "[::1]"]]))
        if chance.random() < 0.1:
            app.response_class = chance.choice([_TextResponse, _TellingResponse])
        if chance.random() < 0.1:
            app.session_interface = _OwnSessions(self)
        elif chance.random() < 0.05:
            app.session_interface = flask.sessions.SecureCookieSessionInterface()
            app.session_interface.session_class = _OwnSession
        if chance.random() < 0.1:
            app.app_ctx_globals_class = OwnG
        if chance.random() < 0.1:
            app.json = _OwnJson(app)
        return app

    def _around(self) -> None:
        """What runs before and after."""
        app, chance = self.app, self.chance
        for n in range(_few(chance)):
            app.before_request(self._function(f"before{n}", 0.15))
        for n in range(_few(chance)):
            app.after_request(self._after(f"after{n}"))
        for n in range(_few(chance)):
            app.teardown_request(lambda error, n=n: self.note("teardown", n, repr(error), self._seen()))
        if chance.random() < 0.1:
            app.url_value_preprocessor(lambda endpoint, values: self.note("values", endpoint, dict(values or {})))
        if chance.random() < 0.1:
            blueprint = flask.Blueprint("other", __name__)
            blueprint.before_app_request(self._function("blueprint's", 0.1))
            blueprint.before_request(self._function("not for hooks", 0))
            app.register_blueprint(blueprint)

    def _handlers(self) -> None:
        chance = self.chance
        for error in (ValueError, errors.PermissionDenied, ph.Error, 403, 500, Exception):
            if chance.random() < 0.1:
                self.app.register_error_handler(error, self._handler(repr(error), chance.randrange(5)))

    def _others(self) -> None:
        """What tools and extensions do."""
        app, chance = self.app, self.chance
        if chance.random() < 0.05:
            view = app.view_functions["proxyhooks_rpc"]

            @functools.wraps(view)
            def wrapped(**values: Any) -> Any:
                self.note("wrapped view", values)
                return view(**values)

            app.view_functions["proxyhooks_rpc"] = wrapped
        if chance.random() < 0.02:
            dispatch = app.dispatch_request
            app.dispatch_request = lambda: (self.note("dispatch"), dispatch())[1]  # type: ignore[method-assign]
        for n in range(_few(chance)):
            app.teardown_appcontext(lambda error, n=n: self.note("teardown app", n, repr(error), dict(vars(g))))
        app.add_url_rule("/page/<int:n>", "page", lambda n: str(n))

    # --- functions ---

    def _seen(self) -> Any:
        """What a function sees around it, or a part of it: to look at something makes it be there."""
        if self.chance.random() > self.curious:
            return None
        looks = [
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
        return _outcome(self.chance.choice(looks))

    def _act(self) -> None:
        """Something that a function does."""
        acts: list[Callable[[], Any]] = [
            lambda: setattr(g, "value", self.chance.random()),
            lambda: session.update(n=1),
            lambda: session.clear(),
            lambda: setattr(session, "permanent", True),
            lambda: setattr(request, "routing_exception", ServiceUnavailable()),
            lambda: setattr(request, "url_rule", next(self.app.url_map.iter_rules("page"))),
            lambda: flask.flash("hello"),
            lambda: flask.get_flashed_messages(),
            lambda: flask.after_this_request(self._after("this")),
            lambda: after_reply(self.note, "after reply"),
            self._in_another_context,
            lambda: flask.copy_current_request_context(lambda: self.note("copied", self._seen()))(),
            lambda: flask.render_template_string("{{ request.path }} {{ g.value }} {{ session.get('n') }}"),
            lambda: None,
            lambda: None,
            lambda: None,
        ]
        act = self.chance.choice(acts)
        done = _outcome(act)
        self.note("act", done if isinstance(done, (str, list)) else type(done).__name__)

    def _in_another_context(self) -> None:
        with self.app.app_context():
            g.inner = 1
            self.note("inner", dict(vars(g)))
        with self.app.test_request_context(INNER):
            self.note("inner request", request.path, self._seen())
        with flask.globals.request_ctx._get_current_object():  # type: ignore[attr-defined]
            self.note("the same again", self._seen())

    def _fail(self) -> Any:
        return self.chance.choice(
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

    def _function(self, name: str, fails: float) -> Callable[[], Any]:
        def function() -> Any:
            self.note(name, self._seen())
            if self.chance.random() < 0.3 * self.curious:
                self._act()
            if self.chance.random() < fails:
                if self.chance.random() < 0.3:
                    answers: list[Any] = ["page", flask.redirect("/login"), ({"a": 1}, 418), ("", 204)]
                    return self.chance.choice(answers)
                _throw(self._fail())
            return None

        return function

    def _after(self, name: str) -> Callable[[flask.Response], Any]:
        def after(response: flask.Response) -> Any:
            self.note(name, response.status, sorted(response.headers.items()), type(response).__name__, self._seen())
            what = self.chance.randrange(12)
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

    def _handler(self, name: str, what: int) -> Callable[[Any], Any]:
        def handler(error: Any) -> Any:
            self.note("handler", name, repr(error), self._seen())
            if what == 0:
                raise errors.NotAvailable from error
            if what == 1:
                raise error
            return [({"handled": True}, 200), ("handled", 409), error][what - 2] if what < 5 else None

        return handler

    # --- hooks ---

    def _hooks(self) -> None:
        chance = self.chance
        if chance.random() < 0.2:
            self.hooks.before_hook(lambda req: (self.note("before_hook", repr(req)), None)[1])
        payload: dict[str, Any] = {"data_schema": chance.choice([Plain, Plain, Hooked, Plain(unknown="exclude")])}
        if chance.random() < 0.2:
            payload = {"data_schema": lambda data: data}
        elif chance.random() < 0.2:
            payload = {}
        result = {"result_schema": chance.choice([Plain, Hooked])} if chance.random() < 0.2 else {}
        self.hooks.connect(self._hook(lambda req: ph.ConnectResult(user="1", meta={"tenant": 1})))
        self.hooks.refresh(self._hook(lambda req: ph.RefreshResult(expire_at=2**40)))
        self.hooks.subscribe("chat:<int:n>", **payload)(self._hook(lambda req, n: ph.SubscribeResult(data=[n])))
        self.hooks.sub_refresh(self._hook(lambda req: ph.SubRefreshResult(expired=True)))
        self.hooks.publish(self._hook(lambda req: ph.PublishResult()))
        if chance.random() < 0.5:
            self.hooks.rpc("say", **payload, **result)(self._hook(lambda req: ph.RPCResult(data=req.data)))
        else:
            self.hooks.rpc("say", **payload, **result)(self._async_hook())
        self.hooks.map_publish("chat:<int:n>", **payload)(self._hook(lambda req, n: ph.MapPublishResult()))

    def _hook(self, result: Callable[..., Any]) -> Callable[..., Any]:
        def hook(req: Any, **variables: Any) -> Any:
            self.note("hook", repr(req), variables, self._seen())
            for _ in range(_few(self.chance) if self.curious else 0):
                self._act()
            what = self.chance.random()
            if what < 0.15:
                _throw(self._fail())
            if what < 0.18:
                return None
            if what < 0.2:
                return ph.RPCResult(data={1, 2})
            if what < 0.21:
                flask.abort(flask.make_response("own", 200))
            return result(req, **variables)

        return functools.wraps(result)(hook)

    def _async_hook(self) -> Callable[..., Any]:
        hook = self._hook(lambda req: ph.RPCResult(data=req.data))

        async def asynchronous(req: Any) -> Any:
            return hook(req)

        return asynchronous

    # --- calls ---

    @contextmanager
    def listening(self) -> Iterator[None]:
        """With receivers at some of the signals, of this application's alone."""
        kept: list[Callable[..., Any]] = []
        for signal in self.listened:

            def heard(sender: Any, _name: str = signal.name, **given: Any) -> None:
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

            signal.connect(heard, self.app)
            kept.append(heard)
        yield
        for signal, heard in zip(self.listened, kept, strict=True):
            signal.disconnect(heard, self.app)

    def ask(self, seed: str, environ: dict[str, Any]) -> Reply:
        """Its answer; what is at random in its functions begins with the seed."""
        self.chance.seed(seed)
        said: list[Any] = ["", [], None]

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
            said[:] = [status, headers, exc_info]
            return lambda chunk: None

        body, raised = b"", ""
        with self.listening():
            try:
                chunks = self.app({**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"])}, start_response)
                body = b"".join(chunks)
                if hasattr(chunks, "close"):
                    chunks.close()
            except Exception as error:
                raised = repr(error)
            self.note("left", flask.has_app_context(), flask.has_request_context())
        return Reply(said[0], sorted(said[1]), body, raised)


def _few(chance: random.Random) -> int:
    return chance.choice([0, 0, 0, 1, 1, 2])


def _outcome(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception as error:
        return repr(error)


def _throw(what: Any) -> None:
    if isinstance(what, int):
        flask.abort(what)
    raise what


class _OwnSession(flask.sessions.SecureCookieSession):
    def __init__(self, initial: Any = None) -> None:
        super().__init__(initial)
        self.setdefault("id", "x")


class _OwnSessions(flask.sessions.SecureCookieSessionInterface):
    def __init__(self, application: Application) -> None:
        self.application = application

    def open_session(self, app: Flask, request: flask.Request) -> Any:
        self.application.note("session opened", request.endpoint)
        if self.application.chance.random() < 0.05:
            self.application.note("of itself", _outcome(lambda: session.get("n")))
        # Not for a request inside of another: its context would stay, and Flask would take it for the outer one's.
        if request.path != INNER and self.application.chance.random() < 0.05:
            raise OSError("no store of sessions")
        return super().open_session(app, request)


def _with_own_methods(application: Application) -> type[Flask]:
    """A class of applications that overrides one of Flask's methods."""
    names = [
        "dispatch_request",
        "preprocess_request",
        "finalize_request",
        "full_dispatch_request",
        "do_teardown_request",
    ]
    name = application.chance.choice(
        [*names, "handle_exception", "handle_user_exception", "create_url_adapter", "log_exception"]
    )

    def method(self: Flask, *args: Any, **kwargs: Any) -> Any:
        application.note("own", name)
        return getattr(Flask, name)(self, *args, **kwargs)

    return type("OwnFlask", (Flask,), {name: method})
