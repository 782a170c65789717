"""What extensions tell hooks apart by: the endpoint, the view function and the URL rule of a request."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from asgiref.sync import sync_to_async
from flask import Flask, current_app, request
from flask.ctx import RequestContext
from flask_wtf import CSRFProtect
from werkzeug.routing import BuildError

from proxyhooks import Hooks, ProxyHooks, RPCRequest, RPCResult, SubscribeResult
from proxyhooks._flask.fast_path.supported import Level
from tests.support.fast_path import level_forced, level_taken
from tests.support.paths import SECRET

HEADERS = {"X-Proxyhooks-Secret": SECRET}
MODULE = __name__.replace(".", "_")
CALLS = 3  # the first request of a host goes Flask's own way


def order(req: RPCRequest) -> RPCResult:
    return RPCResult(data=request.endpoint)


def pay(req: RPCRequest) -> RPCResult:
    return RPCResult(data=request.endpoint)


@pytest.fixture(params=[Level.FULL, Level.FLASK_CONTEXT, Level.OFF, None])
def level(request: pytest.FixtureRequest, app: Flask) -> Iterator[Level]:
    """Each level of the fast path. None: ``PROXYHOOKS_FAST = False``."""
    app.config["PROXYHOOKS_FAST"] = request.param is not None
    with level_forced(request.param or Level.OFF):
        yield request.param or Level.OFF


def endpoints(app: Flask, *methods: str, path: str = "/centrifugo/rpc", **options: Any) -> list[Any]:
    """What the hook returns for each method, asked several times."""
    post = functools.partial(app.test_client().post, path, headers=HEADERS, **options)
    found = []
    for method in methods:
        replies: list[Any] = [post(json={"method": method}).json for _ in range(CALLS)]
        assert replies == replies[:1] * CALLS
        found.append(replies[0]["result"]["data"])
    return found


def test_each_hook_has_an_endpoint_and_a_view_function(level: Level, app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.rpc("order")(order)
    hooks.rpc("pay")(pay)
    assert endpoints(app, "order", "pay") == [f"proxyhooks_rpc_{MODULE}_order", f"proxyhooks_rpc_{MODULE}_pay"]
    for function in (order, pay):
        view = app.view_functions[f"proxyhooks_rpc_{MODULE}_{function.__name__}"]
        assert (view.__module__, view.__name__, view.__qualname__) == (__name__, function.__name__, function.__name__)
        assert inspect.unwrap(view) is function


def test_the_endpoint_is_there_from_the_first_function_that_flask_calls(level: Level, app: Flask) -> None:
    seen: list[tuple[str, str | None]] = []

    def note(where: str, value: Any = None) -> Any:
        seen.append((where, request.endpoint))
        assert request.url_rule is not None
        assert (request.url_rule.endpoint, str(request.url_rule)) == (request.endpoint, "/centrifugo/rpc")
        assert request.blueprint is None
        return value

    hooks = ProxyHooks(app)
    app.url_value_preprocessor(lambda endpoint, values: seen.append(("argument", endpoint)) or note("preprocessor"))
    app.before_request(lambda: note("before_request"))
    hooks.before_hook(lambda req: note("before_hook"))
    app.after_request(lambda response: note("after_request", response))
    app.teardown_request(lambda error: note("teardown"))
    hooks.rpc("order")(lambda req: note("hook", order(req)))
    wheres = ["started", "argument", "preprocessor", "before_request", "before_hook", "hook", "after_request"]
    wheres.append("teardown")
    with flask.request_started.connected_to(lambda *_, **__: note("started"), app):
        (endpoint,) = endpoints(app, "order")
    assert seen == [(where, endpoint) for where in wheres] * CALLS
    assert endpoint.startswith(f"proxyhooks_rpc_{MODULE}_")


def test_a_function_with_two_patterns_is_one_view(level: Level, app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.rpc("order")(order)
    hooks.rpc("buy:<thing>")(lambda req, thing: order(req))
    hooks.rpc("order2")(order)
    (first, other, second) = endpoints(app, "order", "buy:tea", "order2")
    assert first == second == f"proxyhooks_rpc_{MODULE}_order" != other


def test_a_bound_method_with_two_patterns_is_one_view(app: Flask, hooks: ProxyHooks) -> None:
    class Shop:
        def order(self, req: RPCRequest) -> RPCResult:
            return RPCResult(data=request.endpoint)

    shop, other = Shop(), Shop()
    for pattern, hook in {"a": shop.order, "b": shop.order, "c": other.order}.items():
        hooks.rpc(pattern)(hook)
    a, b, c = endpoints(app, "a", "b", "c")
    assert a == b
    assert c == f"{a}_2"


def test_functions_of_the_same_name_have_endpoints_of_their_own(level: Level, app: Flask) -> None:
    hooks = ProxyHooks(app)
    names = ["a", "b", "c"]
    for name in names:
        hooks.rpc(name)(lambda req: RPCResult(data=request.endpoint))
    first, *others = endpoints(app, *names)
    assert others == [f"{first}_2", f"{first}_3"]


def test_an_endpoint_does_not_change_when_hooks_are_added(app: Flask) -> None:
    other = Flask("other")
    other.config["PROXYHOOKS_SECRETS"] = [SECRET]
    few, many = ProxyHooks(app), ProxyHooks(other)
    many.rpc("before")(pay)
    for hooks in (few, many):
        hooks.rpc("order")(order)
    many.rpc("after")(lambda req: RPCResult())
    assert endpoints(app, "order") == endpoints(other, "order")


def test_the_same_function_has_an_endpoint_for_each_event(app: Flask, hooks: ProxyHooks) -> None:
    seen: list[Any] = []

    def serve(req: Any) -> Any:
        seen.append(request.endpoint)
        return RPCResult() if isinstance(req, RPCRequest) else SubscribeResult()

    hooks.rpc("a")(serve)
    hooks.subscribe("a")(serve)
    app.test_client().post("/centrifugo/rpc", json={"method": "a"}, headers=HEADERS)
    app.test_client().post("/centrifugo/subscribe", json={"channel": "a"}, headers=HEADERS)
    rpc, subscribe = seen
    assert subscribe == rpc.replace("_rpc_", "_subscribe_", 1)


def test_a_request_that_no_hook_serves_has_the_endpoint_of_its_event(level: Level, app: Flask) -> None:
    seen: list[str | None] = []
    app.before_request(lambda: seen.append(request.endpoint))
    ProxyHooks(app).rpc("order")(order)
    for _ in range(CALLS):
        reply = app.test_client().post("/centrifugo/rpc", json={"method": "none"}, headers=HEADERS)
        assert reply.json == {"error": {"code": 104, "message": "method not found"}}
    assert seen == ["proxyhooks_rpc"] * CALLS


def test_hooks_that_are_included_or_registered_later_have_endpoints(level: Level, app: Flask) -> None:
    shop, bank = Hooks(), Hooks()
    shop.rpc("order")(order)
    hooks = ProxyHooks()
    hooks.include(shop, rpc_prefix="shop.")
    hooks.init_app(app)
    hooks.include(bank)
    bank.rpc("pay")(pay)
    assert endpoints(app, "shop.order", "pay") == [f"proxyhooks_rpc_{MODULE}_{name}" for name in ("order", "pay")]


def test_several_proxyhooks_and_applications_have_endpoints_of_their_own(level: Level, app: Flask) -> None:
    other = Flask("other")
    for each in (app, other):
        each.config["PROXYHOOKS_SECRETS"] = [SECRET]
    shared = Hooks()
    shared.rpc("order")(order)
    for each, name, prefix in ((app, "one", "/one"), (app, "two", "/two"), (other, "one", "/one")):
        hooks = ProxyHooks(each, name=name, url_prefix=prefix)
        hooks.include(shared)
    for each, name in ((app, "one"), (app, "two"), (other, "one")):
        assert endpoints(each, "order", path=f"/{name}/rpc") == [f"{name}_rpc_{MODULE}_order"]


def test_url_for_knows_the_endpoint_of_a_hook(level: Level, app: Flask) -> None:
    hooks = ProxyHooks(app)

    @hooks.rpc("order")
    def link(req: RPCRequest) -> RPCResult:
        return RPCResult(
            data=[flask.url_for(name, a=1, _anchor="x") for name in (request.endpoint or "", "proxyhooks_rpc")]
        )

    hooks.rpc("pay")(pay)
    assert endpoints(app, "order") == [["/centrifugo/rpc?a=1#x"] * 2]
    with app.test_request_context():
        assert flask.url_for(f"proxyhooks_rpc_{MODULE}_pay", _external=True) == "http://localhost/centrifugo/rpc"
        with pytest.raises(BuildError):
            flask.url_for("proxyhooks_rpc_none")


def test_a_request_context_of_a_test_has_the_endpoint_of_the_event(app: Flask, hooks: ProxyHooks) -> None:
    hooks.rpc("order")(order)
    with app.test_request_context("/centrifugo/rpc", method="POST", json={"method": "order"}):
        assert request.endpoint == "proxyhooks_rpc"
    with app.test_request_context("/centrifugo/rpc", method="GET"):
        assert request.endpoint is None


def test_a_copy_of_the_request_context_has_the_endpoint_of_the_hook(level: Level, app: Flask) -> None:
    hooks = ProxyHooks(app)

    @hooks.rpc("order")
    def copied(req: RPCRequest) -> RPCResult:
        assert level_taken() in (level, Level.OFF)
        in_copy = flask.copy_current_request_context(lambda: request.endpoint)()
        return RPCResult(data=[in_copy, request.endpoint])

    ((in_copy, after),) = endpoints(app, "order")
    assert in_copy == after
    assert in_copy.endswith("_copied")


class OwnContext(RequestContext):
    def match_request(self) -> None:
        self.own = True
        super().match_request()


class OwnFlask(Flask):
    def request_context(self, environ: Any) -> RequestContext:
        return OwnContext(self, environ)


def test_an_application_keeps_its_own_context_class(hooks: ProxyHooks) -> None:
    app = OwnFlask("own")
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    hooks = ProxyHooks(app)

    @hooks.rpc("order")
    def order(req: RPCRequest) -> RPCResult:
        context: Any = flask.globals.request_ctx
        return RPCResult(data=[request.endpoint, context.own, isinstance(context, OwnContext)])

    ((endpoint, *own),) = endpoints(app, "order")
    assert endpoint.endswith("_order")
    assert own == [True, True]


@pytest.mark.parametrize("fast", [True, False])
def test_endpoints_in_debug_mode_and_with_subdomains(fast: bool) -> None:
    app = Flask("app", subdomain_matching=True)
    app.debug = True
    app.config.update(PROXYHOOKS_SECRETS=[SECRET], SERVER_NAME="example.org", PROXYHOOKS_FAST=fast)
    hooks = ProxyHooks(app)
    hooks.rpc("order")(order)
    hooks.rpc("pay")(pay)
    assert endpoints(app, "order", "pay") == [f"proxyhooks_rpc_{MODULE}_{name}" for name in ("order", "pay")]


def test_a_page_that_the_application_sets_as_the_rule_is_served(level: Level, app: Flask) -> None:
    app.add_url_rule("/page", "page", lambda: flask.abort(503))

    @app.before_request
    def reroute() -> None:
        assert (request.endpoint or "").endswith("_order")
        request.url_rule = next(app.url_map.iter_rules("page"))

    ProxyHooks(app).rpc("order")(order)
    for _ in range(CALLS):
        assert app.test_client().post("/centrifugo/rpc", json={"method": "order"}, headers=HEADERS).status_code == 503


@pytest.mark.parametrize("wrapped", ["event", "hook"])
def test_a_view_that_is_replaced_is_called_and_the_log_says_so_once(
    wrapped: str, level: Level, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = ProxyHooks(app)
    hooks.rpc("order")(order)
    hooks.rpc("pay")(pay)
    endpoint = {"event": "proxyhooks_rpc", "hook": f"proxyhooks_rpc_{MODULE}_order"}[wrapped]
    view, calls = app.view_functions[endpoint], []

    def around(**values: Any) -> Any:
        calls.append(request.endpoint)
        return current_app.ensure_sync(view)(**values)

    app.view_functions[endpoint] = around
    own, other = endpoints(app, "order", "pay")
    assert calls == [own] * CALLS + ([other] * CALLS if wrapped == "event" else [])
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [endpoint in line.getMessage() for line in lines] == ([] if level is Level.OFF else [True])


def test_the_view_has_the_attributes_that_decorators_set_on_the_hook(app: Flask, hooks: ProxyHooks) -> None:
    def public(function: Callable[..., Any]) -> Callable[..., Any]:
        function.is_public = True  # type: ignore[attr-defined]
        return function

    seen: list[bool] = []
    app.before_request(lambda: seen.append(hasattr(app.view_functions[request.endpoint or ""], "is_public")))
    hooks.rpc("a")(public(lambda req: RPCResult(data=1)))
    hooks.rpc("b")(lambda req: RPCResult(data=1))
    endpoints(app, "a", "b")
    assert seen == [True] * CALLS + [False] * CALLS


@pytest.mark.parametrize(
    "function",
    [
        sync_to_async(order),
        functools.partial(order),
        type("Callable", (), {"__call__": lambda self, req: order(req)})(),
    ],
    ids=["marked as async", "partial", "object"],
)
def test_the_view_of_an_unusual_function_can_be_called(function: Any, level: Level, app: Flask) -> None:
    ProxyHooks(app).rpc("order")(function)
    (endpoint,) = endpoints(app, "order")
    assert endpoint.startswith("proxyhooks_rpc_")
    assert not inspect.iscoroutinefunction(app.view_functions[endpoint])


def test_a_page_with_the_name_of_a_hook_keeps_its_csrf_protection(level: Level, app: Flask) -> None:
    def page() -> Any:
        return lambda: "posted"

    def hook() -> Any:
        return lambda req: RPCResult(data=1)

    app.add_url_rule("/form", "form", page(), methods=["POST"])
    CSRFProtect(app)
    ProxyHooks(app).rpc("order")(hook())
    assert endpoints(app, "order") == [1]
    assert app.test_client().post("/form").status_code == 400


def test_a_csrf_protection_that_applications_share_is_changed_once() -> None:
    """Else each application of a long test run would make a call of it nest one level deeper."""
    csrf, changed = CSRFProtect(), []
    for _ in range(3):
        app = Flask("shared")
        csrf.init_app(app)
        ProxyHooks(app, secrets=[SECRET]).rpc("order")(order)
        assert endpoints(app, "order") == [f"proxyhooks_rpc_{MODULE}_order"]
        changed.append(csrf.protect)
    assert changed == changed[:1] * 3


def test_a_channel_with_a_dot_makes_no_blueprint(app: Flask, hooks: ProxyHooks) -> None:
    hooks.subscribe("a.b")(lambda req: SubscribeResult(data=[request.blueprint, request.blueprints]))
    post = app.test_client().post
    reply = post("/centrifugo/subscribe", json={"channel": "a.b"}, headers=HEADERS)
    assert reply.json == {"result": {"data": [None, []]}}


def test_flasks_error_for_a_wrong_host_stays(app: Flask, level: Level) -> None:
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    ProxyHooks(app).rpc("order")(order)
    post = app.test_client().post
    for _ in range(CALLS):
        assert post("/centrifugo/rpc", json={"method": "order"}, headers={**HEADERS, "Host": "evil"}).status_code == 400
