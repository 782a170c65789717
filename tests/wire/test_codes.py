"""The built-in codes against Centrifugo's own table, and the ranges for custom codes."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

import proxyhooks
from proxyhooks import Disconnect, Error, ProxyHooksError, Rejection, SetupError, disconnects, errors
from proxyhooks._wire import codes
from tests.support.paths import DATA

untyped: Any = proxyhooks
"""For calls whose arguments are wrong on purpose, so that type checkers let them pass."""

TABLE: dict[str, Any] = json.loads((DATA / "codes.json").read_text())


@pytest.mark.parametrize("row", TABLE["errors"], ids=lambda row: row["name"])
def test_every_builtin_error_is_a_class_of_that_name(row: dict[str, Any]) -> None:
    cls = getattr(errors, row["name"])
    error = cls()
    assert (error.code, error.message, error.temporary) == (row["code"], row["message"], row["temporary"])
    assert errors.by_code(row["code"]) is cls
    assert "client" in (cls.__doc__ or "")
    assert "Raise it" in (cls.__doc__ or "")


@pytest.mark.parametrize("row", TABLE["disconnects"], ids=lambda row: row["name"])
def test_every_builtin_disconnect_is_a_class_of_that_name(row: dict[str, Any]) -> None:
    cls = getattr(disconnects, row["name"])
    assert (cls.code, cls.reason) == (row["code"], row["reason"])
    assert disconnects.by_code(row["code"]) is cls
    assert ("stays away" in (cls.__doc__ or "")) == row["terminal"]
    if row["code"] != 3000:
        assert cls().terminal is row["terminal"]
        assert cls().reason == row["reason"]


def test_there_are_no_other_builtin_codes() -> None:
    assert sorted(codes.ERRORS) == [row["code"] for row in TABLE["errors"]]
    assert sorted(codes.DISCONNECTS) == [row["code"] for row in TABLE["disconnects"]]
    assert set(errors.__all__) == {row["name"] for row in TABLE["errors"]} | {"by_code"}
    assert set(disconnects.__all__) == {row["name"] for row in TABLE["disconnects"]} | {"by_code"}


def test_the_ranges_are_centrifugos() -> None:
    ranges = TABLE["ranges"]
    assert [codes.CUSTOM_ERRORS[0], codes.CUSTOM_ERRORS[-1]] == ranges["errors_custom"]
    assert codes.CUSTOM_DISCONNECTS[0] == ranges["disconnects_custom_reconnect"][0]
    assert codes.CUSTOM_DISCONNECTS[-1] == ranges["disconnects_custom_terminal"][1]
    assert ranges["disconnect_reason_max_ascii_bytes"] == codes.MAX_REASON


@pytest.mark.parametrize("code", [400, 1001, 1999, *range(100, 114)])
def test_error_codes_a_reply_may_carry(code: int) -> None:
    assert Error(code, "text").code == code


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (4001, "Disconnect(4001"),
        (3503, "Disconnect(3503"),
        (114, "reserved for Centrifugo (0-399)"),
        (99, "reserved"),
        (0, "reserved"),
        (399, "reserved"),
        (2000, "400-1999"),
        (-1, "400-1999"),
        (2**32, "400-1999"),
    ],
)
def test_a_refused_error_code_is_named_with_the_remedy(code: int, hint: str) -> None:
    with pytest.raises(ValueError, match=str(code)) as refused:
        Error(code, "text")
    assert hint in str(refused.value)


@pytest.mark.parametrize("code", [4000, 4499, 4500, 4999, 3001, 3509])
def test_disconnect_codes_a_reply_may_carry(code: int) -> None:
    assert Disconnect(code, "text").code == code


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (103, "Error(103"),
        (1001, "Error(1001"),
        (403, "Error(403"),
        (3000, "nothing"),
        (3002, "reserved for Centrifugo (3000-3999)"),
        (3999, "reserved"),
        (2999, "4000-4499"),
        (5000, "4000-4499"),
        (0, "4000-4499"),
        (-4000, "4000-4499"),
    ],
)
def test_a_refused_disconnect_code_is_named_with_the_remedy(code: int, hint: str) -> None:
    with pytest.raises(ValueError, match=str(code)) as refused:
        Disconnect(code, "text")
    assert hint in str(refused.value)


@pytest.mark.parametrize("code", [True, "1001", 1001.0, None])
def test_codes_are_ints(code: Any) -> None:
    with pytest.raises(TypeError):
        Error(code, "text")
    with pytest.raises(TypeError):
        Disconnect(code, "text")


def test_connection_closed_has_a_class_but_cannot_be_a_reply() -> None:
    with pytest.raises(ValueError, match="3000"):
        disconnects.ConnectionClosed()
    with pytest.raises(SetupError, match="3000"):
        type("Mine", (Disconnect,), {"code": 3000, "reason": "x"})


def test_100_111_and_113_are_temporary_by_default() -> None:
    for code in codes.ERRORS:
        expected = code in (100, 111, 113)
        assert Error(code).temporary is expected
        assert errors.by_code(code)().temporary is expected
        assert Error(code, temporary=not expected).temporary is not expected
        assert errors.by_code(code)(temporary=not expected).temporary is not expected
        assert type("Mine", (Error,), {"code": code})().temporary is expected
    assert type("Final", (Error,), {"code": 100, "temporary": False})().temporary is False


def test_a_builtin_code_without_a_text_has_its_builtin_text() -> None:
    assert Error(103).message == "permission denied"
    assert Disconnect(3503).reason == "force disconnect"


def test_a_custom_class() -> None:
    class RoomIsFull(Error):
        code, message, temporary = 1001, "room is full", True

    class Banned(Disconnect):
        code, reason = 4503, "banned"

    full = RoomIsFull()
    assert (full.code, full.message, full.temporary, full.terminal) == (1001, "room is full", True, False)
    assert RoomIsFull("try room 7").message == "try room 7"
    assert (Banned().code, Banned().reason, Banned().terminal) == (4503, "banned", True)
    assert str(Banned()) == "4503: banned"
    assert repr(full) == "RoomIsFull(1001, 'room is full', temporary=True)"


def test_a_subclass_of_a_builtin_keeps_its_code() -> None:
    class OnlyOwners(errors.PermissionDenied):
        message = "only owners"

    assert (OnlyOwners().code, OnlyOwners().message) == (103, "only owners")
    assert errors.PermissionDenied("only owners").message == "only owners"
    assert errors.by_code(103) is errors.PermissionDenied


@pytest.mark.parametrize(
    ("base", "members", "hint"),
    [
        (Error, {"code": 4001, "message": "x"}, "Disconnect(4001"),
        (Error, {"code": 114, "message": "x"}, "reserved"),
        (Error, {"code": "1001", "message": "x"}, "must be an int"),
        (Error, {"code": 1001}, "message"),
        (Error, {"code": 1001, "message": ""}, "message"),
        (Error, {"code": 1001, "message": 5}, "message"),
        (Error, {"message": 5}, "message"),
        (Error, {"code": 1001, "message": "x", "temporary": 1}, "temporary"),
        (Disconnect, {"code": 103, "reason": "x"}, "Error(103"),
        (Disconnect, {"code": 4001}, "reason"),
        (Disconnect, {"code": 4001, "reason": "x" * 33}, "32 bytes of ASCII"),
        (Disconnect, {"code": 4001, "reason": "raus!\u00fc"}, "32 bytes of ASCII"),
    ],
)
def test_class_attributes_are_checked_when_the_class_is_defined(base: type, members: dict[str, Any], hint: str) -> None:
    with pytest.raises(SetupError, match="Mine") as refused:
        type("Mine", (base,), members)
    assert hint in str(refused.value)


def test_a_reason_computed_at_run_time_is_cut_because_a_refusal_must_not_fail(
    caplog: pytest.LogCaptureFixture, log_without_rate_limit: None
) -> None:
    assert Disconnect(4001, "x" * 40).reason == "x" * 32
    assert Disconnect(4001, "Zürich").reason == "Z?rich"
    assert Disconnect(4001, "x" * 32).reason == "x" * 32
    first, second = caplog.messages
    assert "of disconnect 4001 is not at most 32 bytes of ASCII" in first
    assert "the reason 'Zürich'" in second


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: Error(), "needs a code"),
        (lambda: Disconnect(), "needs a code"),
        (lambda: Error(1001), "needs a message"),
        (lambda: Disconnect(4001), "needs a reason"),
        (lambda: untyped.Error(1001, 5), "must be a str"),
        (lambda: untyped.Error(1001, "a", "b"), "at most"),
        (lambda: untyped.Error(1001, message="a"), "no argument message"),
        (lambda: untyped.Error(1001, "a", temporary=1), "True or False"),
        (lambda: errors.PermissionDenied(1001), "has the code 103"),
        (lambda: disconnects.Stale(4001, "x"), "has the code 3502"),
    ],
)
def test_wrong_arguments_are_named_with_the_remedy(make: Any, hint: str) -> None:
    with pytest.raises(TypeError) as refused:
        make()
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    ("rejection", "terminal"),
    [
        (Error(1001, "x"), True),
        (Error(1001, "x", temporary=True), False),
        (errors.TokenExpired(), False),
        (errors.Internal(), False),
        (Disconnect(4000, "x"), False),
        (Disconnect(4999, "x"), True),
        (Disconnect(4001, "unauthorized"), False),
        (Disconnect(4499, "x"), False),
        (Disconnect(4500, "x"), True),
        (Disconnect(4501, "unauthorized"), True),
        (disconnects.ForceReconnect(), False),
        (disconnects.ForceNoReconnect(), True),
    ],
)
def test_terminal_is_whether_the_client_gives_up(rejection: Rejection, terminal: bool) -> None:
    assert rejection.terminal is terminal


def test_refusals_and_mistakes_have_different_bases() -> None:
    assert not issubclass(Rejection, ProxyHooksError)
    assert issubclass(SetupError, ProxyHooksError)


class Quota(Error):
    """With an __init__ of its own, which pickling must not call."""

    code, message = 1002, "quota"

    def __init__(self, used: int) -> None:
        super().__init__(f"{used} used")


@pytest.mark.parametrize(
    "rejection",
    [
        Error(1001, "x", temporary=True),
        errors.Internal(temporary=False),
        errors.PermissionDenied("no"),
        Disconnect(4501, "x"),
        Quota(5),
    ],
    ids=repr,
)
def test_refusals_can_be_pickled(rejection: Rejection) -> None:
    copy = pickle.loads(pickle.dumps(rejection))
    assert type(copy) is type(rejection)
    assert repr(copy) == repr(rejection)
    assert str(copy) == str(rejection)


@pytest.mark.parametrize("module", [errors, disconnects])
def test_a_code_that_is_not_built_in_cannot_be_looked_up(module: Any) -> None:
    with pytest.raises(LookupError, match="1001"):
        module.by_code(1001)
