"""The first promise: exactly one of result, error and disconnect, for every input and whatever a hook does.

``PROXYHOOKS_EXAMPLES=100000 pytest tests/test_promise.py`` tries as many cases.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
from flask import Flask, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import event as note_event
from hypothesis import strategies as st

from proxyhooks import NULL, Disconnect, Error, ProxyHooks, ProxyHooksError, disconnects, errors, messages
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._wire.codes import DISCONNECTS, ERRORS
from tests.support.go import Unreadable, read_reply
from tests.support.paths import SECRET

EXAMPLES = int(os.environ.get("PROXYHOOKS_EXAMPLES", "1000"))

WORDS = st.sampled_from(
    ["", "a", "chat:1", "chat:042", "known", "x.y", "uni_sse", "websocket", "42", "\n", "é", "\x00", "<", "%2F"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.sampled_from(["\ud800", 2**64, -(2**63) - 1, 1e308])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=5
)
GARBAGE = JSON | st.sampled_from(
    [
        *(b"", b"\x00\xff", NULL, object(), {1: 2}, {1, 2}, Exception, errors.PermissionDenied, errors.Internal()),
        *(lambda: 1, Response("{}"), ("{}", 200), {"result": {}}, datetime(2020, 1, 1), [b"x"], {"a": NULL}, type),
    ]
)
MOMENTS = st.sampled_from(
    [
        *(None, 0, -1, 1, 4102444800, 2**63 - 1, 2**63, "x", 1.5, True, timedelta(minutes=1), timedelta(0)),
        *(timedelta.max, datetime(2100, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1)),
    ]
)
CODES = st.sampled_from([*ERRORS, *DISCONNECTS, 400, 1999, 2000, 4000, 4499, 4500, 4999, 5000, 0, -1, 2**32, True, "1"])

FIELDS = sorted(
    {name for event in EVENTS.values() for name in vars(event.request)["__dataclass_fields__"]} | {"b64data", "new"}
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """What somebody who knows the secret may send."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=20))
    if kind == 1:
        hostile = ["[" * 5000, "[" * 300 + "]" * 300, "9" * 5000, "1e999", "NaN", '"\\ud800"', '{"a":1,"a":2}', "-0"]
        return b'{"data":' + draw(st.sampled_from(hostile)).encode() + b"}"
    values: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique=True)):
        if name in ("data", "meta"):
            values[name] = draw(JSON)
        elif name == "b64data":
            values[name] = base64.b64encode(draw(st.binary(max_size=8) | st.just(b'{"a":1}'))).decode()
        else:
            values[name] = draw(WORDS if kind > 3 else JSON)
    return json.dumps(values).encode()


@st.composite
def results(draw: st.DrawFn, cls: type) -> Any:
    """Results of a class, as right and as wrong as people write them."""
    values: dict[str, Any] = {}
    names = sorted(field.name for field in dataclasses.fields(cls))
    for name in draw(st.lists(st.sampled_from(names or [""]), max_size=4, unique=True)):
        values[name] = draw(MOMENTS if name == "expire_at" else GARBAGE | st.builds(messages.SubscribeOptionOverride))
    if "user" in names and draw(st.integers(0, 9)):
        values["user"] = draw(WORDS)
    if draw(st.booleans()):
        values.pop("", None)
    return cls(**values)


class Behaviour:
    """What the hooks of the applications do next."""

    def __init__(self) -> None:
        self.draw: Any = None
        self.raised: Error | Disconnect | None = None
        """What a hook refused with, if it did so in order."""

    def __call__(self, event: str) -> Any:
        try:
            return self.act(event)
        except (Error, Disconnect) as refusal:
            self.raised = refusal
            raise

    def act(self, event: str) -> Any:
        kind = self.draw(st.integers(0, 12))
        if kind < 5:
            return self.draw(results(EVENTS[event].result))  # may raise TypeError or ValueError, as in a hook
        if kind == 5:
            return self.draw(GARBAGE)
        if kind == 6:
            raise Error(self.draw(CODES), self.draw(WORDS), temporary=self.draw(st.sampled_from([None, True, False])))
        if kind == 7:
            raise Disconnect(self.draw(CODES), self.draw(WORDS))
        if kind == 8:
            raise self.draw(st.sampled_from([errors.by_code(code) for code in ERRORS]))
        if kind == 9:
            raise disconnects.by_code(self.draw(st.sampled_from(sorted(DISCONNECTS))))()
        if kind == 10:
            flask.abort(self.draw(st.sampled_from([400, 401, 403, 404, 418, 429, 500, 503])))
        if kind == 11:
            raise self.draw(st.sampled_from([RuntimeError("x"), KeyError("x"), ProxyHooksError("x"), RecursionError()]))
        time.sleep(0.001)
        return EVENTS[event].result(**({"user": "slow"} if event == "connect" else {}))


BEHAVIOUR = Behaviour()


def application(hostile: bool, pattern: bool) -> Any:
    app = Flask("promise")
    app.logger.disabled = True
    hooks = ProxyHooks(app, secrets=[SECRET])
    for event in EVENTS.values():
        if pattern and event.name in ("refresh", "map_remove"):
            continue  # an event that no hook serves
        register = getattr(hooks, event.name)
        if pattern and event.routed_on:
            register("chat:<int:number>")(lambda req, number, name=event.name: BEHAVIOUR(name))
            register("known")(lambda req, name=event.name: BEHAVIOUR(name))
        else:
            register(lambda req, name=event.name: BEHAVIOUR(name))
    if hostile:
        app.errorhandler(Exception)(
            lambda error: ({"result": {}}, BEHAVIOUR.draw(st.sampled_from([200, 204, 302, 418, 500])))
        )

        @app.before_request
        def before() -> Any:
            return BEHAVIOUR.draw(
                st.sampled_from([None, None, None, "", {}, ("", 302), ({"result": {}}, 200), ("no", 403)])
            )

        @app.after_request
        def after(response: Response) -> Response:
            if BEHAVIOUR.draw(st.booleans()):
                response.set_data(b'{"result":{"user":"admin"}}')
            if response.status_code < 400:
                response.status_code = BEHAVIOUR.draw(st.sampled_from([200, 201, 204, 302]))
            return response

    return app.test_client()


CLIENTS = [application(hostile, pattern) for hostile in (False, True) for pattern in (False, True)]
PLAIN = CLIENTS[:2]
STATUSES = {200, 400, 403, 404, 405, 413, 418, 500, 503}


def assert_carried(event: str, refusal: Error | Disconnect, response: Any) -> None:
    """A refusal is no failure: it arrives, with its code where the event has room for one."""
    row = EVENTS[event]
    if row.failure_is_grace and isinstance(refusal, Error) and refusal.temporary:
        assert response.status_code == 500
        return
    assert response.status_code == 200
    ((key, value),) = json.loads(response.data).items()
    if not row.carries_error:
        assert (key, value) == ("result", row.refusal_result)
    elif isinstance(refusal, Disconnect):
        assert (key, value["code"]) == (("disconnect", refusal.code) if row.carries_disconnect else ("error", 100))
    else:
        assert (key, value["code"]) in (("error", refusal.code), ("disconnect", 3503))


def test_exactly_one_of_result_error_and_disconnect() -> None:
    seen: Counter[str] = Counter()
    holds_for_everything(seen)
    # A package that fails at everything would keep the promise, too.
    assert min(seen[kind] for kind in ("result", "error", "disconnect", "refused in order")) > 0


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def holds_for_everything(seen: Counter[str], data: st.DataObject) -> None:
    BEHAVIOUR.draw, BEHAVIOUR.raised = data.draw, None
    event = data.draw(st.sampled_from(sorted(EVENTS)))
    client = data.draw(st.sampled_from(CLIENTS))
    response = client.open(
        f"/centrifugo/{event}",
        method=data.draw(st.sampled_from(["POST"] * 9 + ["GET"])),
        data=data.draw(bodies()),
        headers={"X-Proxyhooks-Secret": data.draw(st.sampled_from([SECRET] * 9 + ["wrong"]))},
    )
    assert response.status_code in STATUSES
    if client in PLAIN and BEHAVIOUR.raised is not None:
        assert_carried(event, BEHAVIOUR.raised, response)
        seen["refused in order"] += 1
    note_event(
        f"status {response.status_code} {response.data[:9]!r}"
        if response.status_code == 200
        else f"status {response.status_code}"
    )
    if response.status_code != 200:
        return
    assert response.content_type == "application/json"
    body = json.loads(response.data)
    assert list(body) in (["result"], ["error"], ["disconnect"])
    seen[next(iter(body))] += 1
    reply = read_reply(event, response.data)
    (value,) = reply.values()
    assert value is not None
    if "error" in body:
        assert EVENTS[event].carries_error
        assert value["code"] in ERRORS or 400 <= value["code"] <= 1999
    if "disconnect" in body:
        assert EVENTS[event].carries_disconnect
        assert value["code"] in set(DISCONNECTS) - {3000} or 4000 <= value["code"] <= 4999
        assert value["reason"].isascii()
        assert len(value["reason"]) <= 32
    if "expire_at" in value:
        assert value["expire_at"] > time.time() - 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"\xef\xbb\xbf{}", b"{} {}", b'{"result":{"user":42}}', b'{"result":{"expire_at":1.0}}', b"{'a':1}",
        b'{"RESULT":{"Expire_At":1.7e9}}', b'{"result":{"labels":{"a":1}}}', b'{"error":{"code":-1}}', b'{"x":NaN}',
        b'{"error":{"code":4294967296}}', b'{"result":{"b64data":"AA"}}', b'{"result":{"subs":{"a":1}}}',
    ],
)  # fmt: skip
def test_the_judge_of_these_tests_refuses_what_centrifugo_refuses(body: bytes) -> None:
    with pytest.raises((Unreadable, ValueError)):
        read_reply("connect", body)
