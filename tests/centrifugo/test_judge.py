"""The judge: what Centrifugo makes of replies, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxyhooks import Disconnect, errors
from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.judge import judge
from proxyhooks.centrifugo.replies.verdict import Verdict
from proxyhooks.centrifugo.replies.warnings import WARNINGS

NOW = 1_700_000_000
LATER = NOW + 60


def of(event: str, body: Any, status: int = 200, **more: Any) -> Verdict:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(event, status, text, now=NOW, **more)


OUTCOMES: list[tuple[str, Any, str, int | None]] = [
    # silence
    ("subscribe", {}, "allowed", None),
    ("rpc", {"message": "forbidden"}, "allowed", None),
    ("publish", {"error": None}, "allowed", None),
    ("map_remove", b"null", "allowed", None),
    ("connect", {}, "disconnected", 3501),
    ("connect", {"result": None}, "disconnected", 3501),
    ("connect", {"result": {}}, "allowed", None),
    ("refresh", {}, "expired", 3005),
    ("sub_refresh", {}, "expired", 2501),
    ("shared_poll_refresh", {}, "ignored", None),
    # refreshes
    ("refresh", {"result": {"expired": True, "expire_at": LATER}}, "expired", 3005),
    ("refresh", {"result": {"expire_at": LATER}}, "allowed", None),
    ("refresh", {"result": {}}, "expired", 3005),
    ("refresh", {"result": {"expire_at": -1}}, "expired", 3005),
    ("refresh", {"result": {"expire_at": NOW}}, "expired", 3005),
    ("refresh", {"error": {"code": 100, "temporary": True}}, "expired", 3005),
    ("refresh", {"disconnect": {"code": "x"}}, "expired", 3005),
    ("refresh", {"result": {"expire_at": 1.5}}, "grace", None),
    ("refresh", {"result": {"expire_at": LATER, "b64info": "x"}}, "disconnected", 3004),
    ("sub_refresh", {"result": {"expire_at": -1}}, "allowed", None),
    ("sub_refresh", {"result": {"expire_at": NOW - 1}}, "expired", 2501),
    ("sub_refresh", {"result": {"b64info": "x"}}, "expired", 2501),
    # expire_at
    ("connect", {"result": {"expire_at": NOW - 1}}, "refused", 110),
    ("connect", {"result": {"expire_at": -1}}, "allowed", None),
    ("subscribe", {"result": {"expire_at": NOW}}, "refused", 110),
    # precedence
    ("rpc", {"result": {}, "error": {"code": 103}, "disconnect": {"code": 4500}}, "disconnected", 4500),
    ("rpc", {"result": {}, "error": {"code": 103}}, "refused", 103),
    # types
    ("connect", {"result": {"user": 42}}, "internal_error", 100),
    ("connect", b'{"result":{"user":"a","expire_at":1700000300.0}}', "internal_error", 100),
    ("connect", b'{"result":{"user":"a","expire_at":1.7e9}}', "internal_error", 100),
    ("connect", b'{"result":{"user":"a","expire_at":-0}}', "allowed", None),
    ("publish", b'{"result":{"version":-0}}', "internal_error", 100),
    ("publish", {"result": {"version": 2**64 - 1}}, "allowed", None),
    ("publish", {"result": {"version": 2**64}}, "internal_error", 100),
    ("publish", {"result": {"tags": {"a": 1}}}, "internal_error", 100),
    ("publish", {"result": {"tags": {"a": None}}}, "allowed", None),
    ("rpc", {"error": {"code": 2**32}}, "internal_error", 100),
    ("rpc", {"error": {"code": -1}}, "internal_error", 100),
    ("rpc", {"error": "no"}, "internal_error", 100),
    ("rpc", {"result": {"b64data": "eA"}}, "internal_error", 100),
    ("subscribe", {"result": {"override": {"presence": True}}}, "internal_error", 100),
    ("subscribe", {"result": {"override": {"presence": {"value": True}}}}, "allowed", None),
    # text
    ("rpc", b"", "internal_error", 100),
    ("rpc", b"[]", "internal_error", 100),
    ("rpc", b"\xef\xbb\xbf{}", "internal_error", 100),
    ("rpc", b"{} {}", "internal_error", 100),
    ("rpc", b'{"result":{"data":NaN}}', "internal_error", 100),
    ("rpc", b'{"result":{"data":' + b"[" * 9998 + b"]" * 9998 + b"}}", "allowed", None),
    ("rpc", b'{"result":{"data":' + b"[" * 9999 + b"]" * 9999 + b"}}", "internal_error", 100),
    # keys
    ("rpc", b'{"ERROR":{"Code":103}}', "refused", 103),
    ("rpc", b'{"error":{"code":103},"error":null}', "allowed", None),
    ("rpc", b'{"error":null,"error":{"code":103}}', "refused", 103),
    ("rpc", b'{"error":{"code":103},"error":{"message":"x"}}', "refused", 103),
    ("rpc", b'{"error":{"code":"x"},"error":{"code":103}}', "internal_error", 100),
    # clients
    ("rpc", {"result": {"b64data": "eA=="}}, "disconnected", 3506),
    ("rpc", {"result": {"b64data": "MQ=="}}, "allowed", None),
    ("publish", {"result": {"b64data": "eA=="}}, "allowed", None),
    # polls
    ("shared_poll_refresh", {"error": {"code": 1}}, "ignored", 1),
    ("shared_poll_refresh", {"result": {"items": []}}, "allowed", None),
    ("shared_poll_refresh", {"result": {"items": 1}}, "ignored", None),
]


@pytest.mark.parametrize(("event", "body", "outcome", "code"), OUTCOMES)
def test_outcomes(event: str, body: Any, outcome: str, code: int | None) -> None:
    verdict = of(event, body)
    assert (verdict.outcome, verdict.code) == (outcome, code), verdict
    assert verdict.why


FAILED = {"refresh": "grace", "sub_refresh": "grace"} | dict.fromkeys(
    ["shared_poll_refresh", "cache_empty", "state"], "ignored"
)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", [201, 204, 300, 304, 400, 401, 403, 404, 500, 503])
def test_only_200_counts(event: str, status: int) -> None:
    assert of(event, {"result": {"user": "a"}}, status).outcome == FAILED.get(event, "internal_error")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(event: str, status: int) -> None:
    assert of(event, {"error": {"code": 103}}, status).outcome == "redirected"


def test_who_comes_back() -> None:
    def comes_back(event: str, body: Any, **more: Any) -> bool:
        return of(event, body, **more).comes_back

    assert comes_back("connect", {"disconnect": {"code": 4001}})
    assert comes_back("connect", {"disconnect": {"code": 403}})
    assert not comes_back("connect", {"disconnect": {"code": 4501}})
    assert not comes_back("connect", {"disconnect": {"code": 3503}})
    assert comes_back("connect", {"disconnect": {"code": 3503, "reason": "x" * 124}})
    assert not comes_back("connect", {"error": {"code": 100}})
    assert comes_back("connect", {"error": {"code": 100, "temporary": True}})
    assert comes_back("subscribe", {"error": {"code": 109}})
    assert not comes_back("rpc", {"error": {"code": 100, "temporary": True}})
    assert comes_back("connect", {"error": {"code": 101}}, transport="uni_sse")
    assert not comes_back("connect", {"error": {"code": 103}}, transport="uni_sse")


@pytest.mark.parametrize(
    ("code", "meant"), [(100, 3004), (101, 3004), (103, 3507), (109, 3005), (110, 3005), (111, 3013)]
)
def test_errors_reach_one_way_clients_as_disconnects(code: int, meant: int) -> None:
    verdict = of("connect", {"error": {"code": code}}, transport="uni_http_stream")
    assert (verdict.outcome, verdict.code) == ("disconnected", meant)


def test_the_result_is_what_counts() -> None:
    assert of("publish", {"result": {"data": 1, "b64data": "Mg=="}}).result == {"data": 1}
    assert of("rpc", {"result": {"data": 1, "b64data": "Mg=="}}).result == {"data": b"2"}
    assert of("rpc", {"result": {"data": None}}).result == {"data": None}
    assert of("rpc", {"result": {"data": 1, "b64data": ""}}).result == {"data": 1}
    merged = b'{"result":{"user":"a","channels":["x"]},"result":{"user":null,"channels":null,"expire_at":1700000060}}'
    assert of("connect", merged).result == {"user": "a", "expire_at": LATER}
    assert of("connect", b'{"result":{"user":"\xff\\ud800"}}').result == {"user": "\ufffd\ufffd"}


def test_why_names_the_field_and_its_value() -> None:
    assert of("connect", {"result": {"user": 42}}).why == "`result.user`: 42 is a number, Centrifugo reads a string"
    assert "`result.subs['a'].expire_at`" in of("connect", {"result": {"subs": {"a": {"expire_at": "x"}}}}).why
    assert "the status is 403" in of("rpc", b"", 403).why


WARNED: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
    "silent-allow": (("rpc", {}), ("rpc", {"result": {}})),
    "several": (("rpc", {"result": {}, "error": {"code": 103}}), ("rpc", {"error": {"code": 103}})),
    "unknown-field": (("rpc", {"result": {"dta": 1}}), ("rpc", {"result": {"Data": 1}})),
    "ignored-refusal": (("refresh", {"error": {"code": 103}}), ("refresh", {"result": {"expired": True}})),
    "both-twins": (("rpc", {"result": {"data": 1, "b64data": "MQ=="}}), ("rpc", {"result": {"b64data": "MQ=="}})),
    "null-data": (("publish", {"result": {"data": None}}), ("rpc", {"result": {"data": None}})),
    "anonymous-connect": (("connect", {"result": {}}), ("connect", {"result": {"user": "a"}})),
    "channels-copied": (
        ("connect", {"result": {"user": "a", "channels": ["a", "b"]}}),
        ("connect", {"result": {"user": "a", "channels": ["b"]}}),
    ),
    "expire-at-past": (
        ("connect", {"result": {"user": "a", "expire_at": 1}}),
        ("connect", {"result": {"user": "a", "expire_at": LATER}}),
    ),
    "never-expires": (("sub_refresh", {"result": {}}), ("sub_refresh", {"result": {"expire_at": LATER}})),
    "reconnect-loop": (("connect", {"disconnect": {"code": 4001}}), ("rpc", {"disconnect": {"code": 4001}})),
    "odd-code": (("rpc", {"error": {"code": 0}}), ("rpc", {"error": {"code": 1999}})),
    "long-reason": (
        ("rpc", {"disconnect": {"code": 4501, "reason": "x" * 33}}),
        ("rpc", {"disconnect": {"code": 4501, "reason": "x" * 32}}),
    ),
    "final-temporary": (
        ("rpc", {"error": {"code": 111}}),
        ("rpc", {"error": {"code": 111, "temporary": True}}),
    ),
    "binary-for-json": (("publish", {"result": {"b64data": "eA=="}}), ("publish", {"result": {"b64data": "MQ=="}})),
    "map-reported": (("map_publish", {"result": {}}), ("map_publish", {"error": {"code": 103}})),
}


def test_every_warning_has_its_case() -> None:
    assert WARNED.keys() == WARNINGS.keys()


@pytest.mark.parametrize("id", WARNINGS)
def test_warnings(id: str) -> None:  # noqa: A002
    bad, good = WARNED[id]
    request = {"channels": ["a"]}
    assert id in [warning.id for warning in of(*bad, request=request).warnings]
    assert id not in [warning.id for warning in of(*good, request=request).warnings]


def test_a_verdict_can_be_asked() -> None:
    refused = of("rpc", {"error": {"code": 103}})
    assert refused.refused_with(errors.PermissionDenied)
    assert refused.refused_with(errors.PermissionDenied("text"))
    assert refused.refused_with(103)
    assert not refused.refused_with(errors.Unauthorized)
    assert not refused.disconnected_with(103)
    assert of("rpc", {"disconnect": {"code": 4501}}).disconnected_with(Disconnect(4501, "x"))


def test_an_unknown_event_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="did you mean 'publish'"):
        judge("publsh", 200, b"{}")


@pytest.mark.parametrize(
    ("event", "body", "path"),
    [
        ("connect", b'{"result": {"user": "a", "subs": {"b": {}, "chat:1": null}}}', "result.subs['chat:1']"),
        ("shared_poll_refresh", b'{"result": {"items": [{"key": "a"}, null]}}', "result.items[1]"),
    ],
)
def test_a_null_that_crashes_centrifugo(event: str, body: bytes, path: str) -> None:
    verdict = judge(event, 200, body)
    assert (verdict.outcome, verdict.code, verdict.comes_back, verdict.misread) == ("internal_error", None, True, True)
    assert f"`{path}` is null" in verdict.why
    assert judge(event, 200, body.replace(b"null", b"{}")).allowed


def test_what_the_free_edition_never_looks_at_may_be_anything() -> None:
    assert judge("map_publish", 200, b'{"result": {"b64stream_data": "MQ"}}').allowed
    assert judge("map_publish", 200, b'{"result": {"b64data": "MQ"}}').outcome == "internal_error"
