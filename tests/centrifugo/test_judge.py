"""What the judge makes of single replies."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, get_args

import pytest

from proxyhooks import Disconnect, Error, disconnects, errors
from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.judge import Verdict, judge
from proxyhooks.centrifugo.replies.verdict import Cause
from proxyhooks.centrifugo.replies.warnings import WARNINGS

NOW = 1_700_000_000
LATER = NOW + 60


def judged(event: str, body: Any, status: int = 200, **options: Any) -> Verdict:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(event, status, text, now=NOW, **options)


OUTCOMES: list[tuple[str, Any, str, int | None]] = [
    # neither result nor error nor disconnect
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
    # wrong types
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
    # not one JSON object
    ("rpc", b"", "internal_error", 100),
    ("rpc", b"[]", "internal_error", 100),
    ("rpc", b"\xef\xbb\xbf{}", "internal_error", 100),
    ("rpc", b"{} {}", "internal_error", 100),
    ("rpc", b'{"result":{"data":NaN}}', "internal_error", 100),
    ("rpc", b'{"result":{"data":' + b"[" * 9998 + b"]" * 9998 + b"}}", "allowed", None),
    ("rpc", b'{"result":{"data":' + b"[" * 9999 + b"]" * 9999 + b"}}", "internal_error", 100),
    # keys in another case, duplicates
    ("rpc", b'{"ERROR":{"Code":103}}', "refused", 103),
    ("rpc", b'{"error":{"code":103},"error":null}', "allowed", None),
    ("rpc", b'{"error":null,"error":{"code":103}}', "refused", 103),
    ("rpc", b'{"error":{"code":103},"error":{"message":"x"}}', "refused", 103),
    ("rpc", b'{"error":{"code":"x"},"error":{"code":103}}', "internal_error", 100),
    # bytes for clients that speak JSON
    ("rpc", {"result": {"b64data": "eA=="}}, "disconnected", 3506),
    ("rpc", {"result": {"b64data": "MQ=="}}, "allowed", None),
    ("publish", {"result": {"b64data": "eA=="}}, "allowed", None),
    # polls
    ("shared_poll_refresh", {"error": {"code": 1}}, "ignored", 1),
    ("shared_poll_refresh", {"result": {"items": []}}, "allowed", None),
    ("shared_poll_refresh", {"result": {"items": 1}}, "ignored", None),
]


@pytest.mark.parametrize(("event", "body", "outcome", "code"), OUTCOMES)
def test_outcome_and_code(event: str, body: Any, outcome: str, code: int | None) -> None:
    verdict = judged(event, body)
    assert (verdict.outcome, verdict.code) == (outcome, code), verdict
    assert verdict.why


OUTCOMES_OF_FAILED_CALLS = {"refresh": "grace", "sub_refresh": "grace"} | dict.fromkeys(
    ["shared_poll_refresh", "cache_empty", "state"], "ignored"
)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", [201, 204, 300, 304, 400, 401, 403, 404, 500, 503])
def test_only_200_counts(event: str, status: int) -> None:
    assert judged(event, {"result": {"user": "a"}}, status).outcome == OUTCOMES_OF_FAILED_CALLS.get(
        event, "internal_error"
    )


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(event: str, status: int) -> None:
    assert judged(event, {"error": {"code": 103}}, status).outcome == "redirected"


def test_which_clients_come_back() -> None:
    def comes_back(event: str, body: Any, **options: Any) -> bool:
        return judged(event, body, **options).comes_back

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
    ("code", "disconnect"), [(100, 3004), (101, 3004), (103, 3507), (109, 3005), (110, 3005), (111, 3013)]
)
def test_errors_reach_unidirectional_clients_as_disconnects(code: int, disconnect: int) -> None:
    verdict = judged("connect", {"error": {"code": code}}, transport="uni_http_stream")
    assert (verdict.outcome, verdict.code) == ("disconnected", disconnect)


def test_the_result_has_the_values_that_centrifugo_uses() -> None:
    assert judged("publish", {"result": {"data": 1, "b64data": "Mg=="}}).result == {"data": 1}
    assert judged("rpc", {"result": {"data": 1, "b64data": "Mg=="}}).result == {"data": b"2"}
    assert judged("rpc", {"result": {"data": None}}).result == {"data": None}
    assert judged("rpc", {"result": {"data": 1, "b64data": ""}}).result == {"data": 1}
    merged = b'{"result":{"user":"a","channels":["x"]},"result":{"user":null,"channels":null,"expire_at":1700000060}}'
    assert judged("connect", merged).result == {"user": "a", "expire_at": LATER}
    assert judged("connect", b'{"result":{"user":"\xff\\ud800"}}').result == {"user": "\ufffd\ufffd"}


def test_why_names_the_field_and_its_value() -> None:
    assert (
        judged("connect", {"result": {"user": 42}}).why == "`result.user`: 42 is a number, Centrifugo expects a string"
    )
    assert "`result.subs['a'].expire_at`" in judged("connect", {"result": {"subs": {"a": {"expire_at": "x"}}}}).why
    assert "the status is 403" in judged("rpc", b"", 403).why


CAUSES: list[tuple[Cause, str, Any]] = [
    ("result", "rpc", {"result": {}}),
    ("error", "rpc", {"error": {"code": 103}}),
    ("error", "shared_poll_refresh", {"error": {"code": 103}}),
    ("disconnect", "rpc", {"disconnect": {"code": 4501}}),
    ("empty-reply", "rpc", {}),
    ("empty-reply", "connect", {}),
    ("empty-reply", "refresh", {}),
    ("empty-reply", "state", {}),
    ("expired-flag", "refresh", {"result": {"expired": True}}),
    ("expire-at-missing", "refresh", {"result": {}}),
    ("expire-at-past", "refresh", {"result": {"expire_at": NOW}}),
    ("expire-at-past", "sub_refresh", {"result": {"expire_at": NOW - 1}}),
    ("expire-at-past", "connect", {"result": {"expire_at": NOW - 1}}),
    ("binary-for-json", "rpc", {"result": {"b64data": "eA=="}}),
    ("not-json", "rpc", b"<html>"),
    ("wrong-type", "connect", {"result": {"user": 42}}),
    ("bad-base64", "refresh", {"result": {"expire_at": LATER, "b64info": "x"}}),
    ("bad-base64", "sub_refresh", {"result": {"b64info": "x"}}),
    ("bad-base64", "rpc", {"result": {"b64data": "eA"}}),
    ("crashing-null", "connect", {"result": {"subs": {"a": None}}}),
]


@pytest.mark.parametrize(("cause", "event", "body"), CAUSES)
def test_the_cause_of_a_verdict(cause: Cause, event: str, body: Any) -> None:
    assert judged(event, body).cause == cause


def test_the_cause_of_a_status() -> None:
    assert judged("rpc", b"", 302).cause == "redirect"
    assert judged("rpc", b"", 500).cause == "status"


def test_every_cause_has_its_case() -> None:
    assert {cause for cause, _, _ in CAUSES} | {"redirect", "status"} == set(get_args(Cause))


def test_the_text_of_a_refusal_is_no_cause() -> None:
    refused = judged("rpc", {"error": {"code": 400, "message": "`expire_at` is in the past, no JSON"}})
    disconnected = judged("rpc", {"disconnect": {"code": 3506, "reason": "no JSON"}})
    assert (refused.warnings, disconnected.warnings) == ((), ())


def test_a_unidirectional_client_has_the_warnings_of_others() -> None:
    verdict = judged("connect", {"result": {"user": "a", "expire_at": 1}}, transport="uni_sse")
    assert (verdict.outcome, verdict.code, verdict.cause) == ("disconnected", 3005, "expire-at-past")
    assert [warning.id for warning in verdict.warnings] == ["reconnect-loop", "expire-at-past"]


WITH_AND_WITHOUT_WARNING: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
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
    assert WITH_AND_WITHOUT_WARNING.keys() == WARNINGS.keys()


@pytest.mark.parametrize("id", WARNINGS)
def test_warning(id: str) -> None:  # noqa: A002
    bad, good = WITH_AND_WITHOUT_WARNING[id]
    request = {"channels": ["a"]}
    assert id in [warning.id for warning in judged(*bad, request=request).warnings]
    assert id not in [warning.id for warning in judged(*good, request=request).warnings]


def test_a_verdict_compares_with_classes_instances_and_codes() -> None:
    refused = judged("rpc", {"error": {"code": 103}})
    assert refused.refused_with(errors.PermissionDenied)
    assert refused.refused_with(errors.PermissionDenied("text"))
    assert refused.refused_with(103)
    assert not refused.refused_with(errors.Unauthorized)
    assert not refused.disconnected_with(103)
    assert judged("rpc", {"disconnect": {"code": 4501}}).disconnected_with(Disconnect(4501, "x"))


def test_an_unknown_event_raises_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="did you mean 'publish'"):
        judge("publsh", 200, b"{}")


@pytest.mark.parametrize(
    ("event", "body", "path"),
    [
        ("connect", b'{"result": {"user": "a", "subs": {"b": {}, "chat:1": null}}}', "result.subs['chat:1']"),
        ("shared_poll_refresh", b'{"result": {"items": [{"key": "a"}, null]}}', "result.items[1]"),
    ],
)
def test_a_null_in_place_of_a_message_crashes_centrifugo(event: str, body: bytes, path: str) -> None:
    verdict = judge(event, 200, body)
    assert (verdict.outcome, verdict.code, verdict.comes_back, verdict.misread) == ("internal_error", None, True, True)
    assert f"`{path}` is null" in verdict.why
    assert judge(event, 200, body.replace(b"null", b"{}")).allowed


def test_the_free_edition_never_decodes_stream_data() -> None:
    assert judge("map_publish", 200, b'{"result": {"b64stream_data": "MQ"}}').allowed
    assert judge("map_publish", 200, b'{"result": {"b64data": "MQ"}}').outcome == "internal_error"


def test_an_entry_in_the_table_of_events_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    event = dataclasses.replace(EVENTS["subscribe"], name="watch", proxy="channel.proxy.watch")
    monkeypatch.setitem(EVENTS, "watch", event)
    for body in ({}, {"result": {"expire_at": 1}}, {"result": {"b64data": "eA=="}}, {"error": {"code": 109}}):
        verdict = judged("watch", body)
        assert verdict == dataclasses.replace(judged("subscribe", body), event="watch")
    assert judged("watch", b"", 500).outcome == "internal_error"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (disconnects.ForceNoReconnect, ": for a Disconnect use disconnected_with"),
        (Disconnect(4501, "no"), ": for a Disconnect use disconnected_with"),
        (Error, "not <class 'proxyhooks.exceptions.Error'>"),
        (ValueError, "not <class 'ValueError'>"),
        ("103", "not '103'"),
        (None, "not None"),
        (True, "not True"),
    ],
)
def test_a_wrong_class_for_refused_with_is_a_type_error(wrong: Any, hint: str) -> None:
    for verdict in (judge("rpc", 200, b'{"result":{}}'), judge("rpc", 200, b'{"error":{"code":103,"message":"x"}}')):
        with pytest.raises(TypeError, match=re.escape(hint)):
            verdict.refused_with(wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (errors.PermissionDenied, ": for an Error use refused_with"),
        (Disconnect, "not <class 'proxyhooks.exceptions.Disconnect'>"),
        (None, "not None"),
    ],
)
def test_a_wrong_class_for_disconnected_with_is_a_type_error(wrong: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=re.escape(hint)):
        judge("rpc", 200, b'{"disconnect":{"code":4501,"reason":"x"}}').disconnected_with(wrong)


def test_a_class_an_instance_and_a_code_say_with_what_a_call_was_refused() -> None:
    refused = judge("rpc", 200, b'{"error":{"code":103,"message":"x"}}')
    right: list[Any] = [errors.PermissionDenied, errors.PermissionDenied("other"), 103]
    assert [refused.refused_with(error) for error in [*right, errors.BadRequest, 104]] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("event", "body", "data"),
    [
        ("rpc", {"result": {"data": {"a": 1}}}, {"a": 1}),
        ("rpc", {"result": {"data": None}}, None),
        ("rpc", {"result": {}}, None),
        ("rpc", {"result": {"b64data": "eyJhIjoxfQ=="}}, {"a": 1}),
        ("rpc", {"result": {"b64data": "/w=="}}, b"\xff"),
        ("rpc", {"result": {"data": 1, "b64data": "Mg=="}}, 2),
        ("publish", {"result": {"data": 1, "b64data": "Mg=="}}, 1),
        ("connect", {"result": {"user": "7", "data": "hi"}}, "hi"),
        ("refresh", {"result": {"expire_at": LATER}}, None),
        ("rpc", {"error": {"code": 103, "message": "x"}}, None),
        ("rpc", {"disconnect": {"code": 4501, "reason": "x"}}, None),
        ("rpc", b"<html>", None),
    ],
)
def test_the_data_of_a_verdict_is_that_of_the_result_decoded(event: str, body: Any, data: Any) -> None:
    assert judged(event, body, protocol="protobuf").data == data
