"""Messages to JSON values and back."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proxyhooks import NULL
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._wire.decoding import decode
from proxyhooks._wire.encoding import AlreadyExpired, encode, unix_seconds
from proxyhooks._wire.json import Malformed, loads
from proxyhooks.messages import (
    ConnectRequest,
    ConnectResult,
    MapPublishResult,
    NotifyChannelStateResult,
    PublishRequest,
    PublishResult,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SharedPollRefreshItem,
    SharedPollRefreshRequest,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshResult,
    SubscribeOptionOverride,
    SubscribeOptions,
    SubscribeRequest,
    SubscribeResult,
)
from tests.support.paths import DATA

REQUESTS = sorted((DATA / "requests").glob("*.json"))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_captured_request_is_read(path: Path) -> None:
    sent = json.loads(path.read_text())
    message = decode(EVENTS[path.name.split(".")[0]].request, loads(path.read_bytes()))
    for name, value in sent.items():
        if name == "b64data":
            assert getattr(message, "data", None) == base64.b64decode(value)
        elif name != "items":
            assert getattr(message, name) == value


def test_all_captured_requests_are_here() -> None:
    assert len(REQUESTS) == 52


def test_unknown_fields_are_ignored() -> None:
    assert decode(RPCRequest, {"method": "a", "brand_new": {"x": 1}}) == RPCRequest(method="a")


def test_unknown_choices_of_a_newer_centrifugo_are_read() -> None:
    assert str(decode(ConnectRequest, {"protocol": "cbor"}).protocol) == "cbor"


def test_nested_messages_are_read() -> None:
    value = {"channel": "p", "items": [{"key": "a"}, {"key": "b", "version": 2**64 - 1}]}
    expected = [SharedPollRefreshItem(key="a"), SharedPollRefreshItem(key="b", version=2**64 - 1)]
    assert decode(SharedPollRefreshRequest, value) == SharedPollRefreshRequest(channel="p", items=expected)


def test_absent_and_null_data_both_arrive_as_none_and_bytes_as_bytes() -> None:
    assert decode(RPCRequest, {}).data is None
    assert decode(RPCRequest, {"data": None}).data is None
    assert decode(RPCRequest, {"b64data": "bnVsbA=="}).data == b"null"


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (RPCRequest, []),
        (RPCRequest, None),
        (RPCRequest, {"user": 42}),
        (RPCRequest, {"user": None}),
        (RPCRequest, {"b64data": "bnVsbA"}),
        (RPCRequest, {"b64data": "bn VsbA=="}),
        (RPCRequest, {"b64data": "ü"}),
        (RPCRequest, {"b64data": 5}),
        (RPCRequest, {"data": 1, "b64data": "bnVsbA=="}),
        (RPCRequest, {"labels": {"a": 1}}),
        (RPCRequest, {"labels": []}),
        (ConnectRequest, {"channels": "a"}),
        (ConnectRequest, {"channels": [1]}),
        (SharedPollRefreshRequest, {"items": [{"version": -1}]}),
        (SharedPollRefreshRequest, {"items": [{"version": 2**64}]}),
        (SharedPollRefreshRequest, {"items": [{"version": 1.0}]}),
        (SharedPollRefreshRequest, {"items": [{"version": True}]}),
        (SharedPollRefreshRequest, {"items": ["a"]}),
    ],
)
def test_wrong_types_are_refused(message: type, value: Any) -> None:
    with pytest.raises(Malformed):
        decode(message, value)


@pytest.mark.parametrize(
    ("result", "written"),
    [
        (ConnectResult(user=""), {"user": ""}),
        (
            ConnectResult(user="1", expire_at=4102444800, info={"a": 1}, data=b"\x00\xff", channels=["a"], meta=NULL),
            {
                "user": "1",
                "expire_at": 4102444800,
                "info": {"a": 1},
                "b64data": "AP8=",
                "channels": ["a"],
                "meta": None,
            },
        ),
        (
            ConnectResult(user="1", subs={"a": SubscribeOptions(override=SubscribeOptionOverride(presence=False))}),
            {"user": "1", "subs": {"a": {"override": {"presence": {"value": False}}}}},
        ),
        (RefreshResult(expired=True), {"expired": True}),
        (SubRefreshResult(expire_at=None), {}),
        (SubscribeResult(), {}),
        (PublishResult(), {}),
        (PublishResult(data=NULL), {"data": None}),
        (PublishResult(data=0, version=0), {"data": 0, "version": 0}),
        (PublishResult(data=False, delta=True), {"data": False, "delta": True}),
        (MapPublishResult(data={}, stream_data=b"x"), {"data": {}, "b64stream_data": "eA=="}),
        (RPCResult(data=""), {"data": ""}),
        (SharedPollRefreshResult(items=[]), {"items": []}),
        (
            SharedPollRefreshResult(items=[SharedPollRefreshResultItem(key="a", data=NULL, version=1)], epoch="e"),
            {"items": [{"key": "a", "data": None, "version": 1}], "epoch": "e"},
        ),
        (NotifyChannelStateResult(), {}),
    ],
    ids=repr,
)
def test_results_as_they_travel(result: Any, written: dict[str, Any]) -> None:
    assert encode(result) == written


def test_a_result_that_was_changed_is_checked_again() -> None:
    result = ConnectResult(user="1", channels=["a"])
    assert result.channels is not None
    result.channels.append(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"channels\[1\]"):
        encode(result)


def test_a_timedelta_is_counted_from_now_and_shortened_by_up_to_a_tenth() -> None:
    seconds = [unix_seconds(timedelta(seconds=10_000)) - time.time() for _ in range(500)]
    assert all(8_990 <= second <= 10_001 for second in seconds)
    assert len(set(map(int, seconds))) > 100


def test_a_short_timedelta_never_lands_in_the_current_second() -> None:
    for span in (timedelta(microseconds=1), timedelta(seconds=0.5), timedelta(seconds=1)):
        for _ in range(100):
            before = time.time()
            assert unix_seconds(span) > before


def test_an_aware_datetime_is_written_in_unix_seconds() -> None:
    assert unix_seconds(datetime(2100, 1, 1, tzinfo=UTC)) == 4102444800
    assert unix_seconds(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize(
    "expire_at",
    [
        *(0, -1, 600, datetime(2020, 1, 1, tzinfo=UTC), timedelta(0), timedelta(seconds=-1)),
        pytest.param(int(time.time()), id="now"),
    ],
    ids=repr,
)
def test_an_expire_at_that_has_passed_is_refused(expire_at: Any) -> None:
    for result in (
        ConnectResult(user="1", expire_at=expire_at),
        RefreshResult(expire_at=expire_at),
        SubscribeResult(expire_at=expire_at),
        SubRefreshResult(expire_at=expire_at),
        ConnectResult(user="1", subs={"a": SubscribeOptions(expire_at=expire_at)}),
    ):
        with pytest.raises(AlreadyExpired) as expired:
            encode(result)
        assert "has passed" in str(expired.value)


def test_requests_of_every_shape_are_equal_to_what_was_sent() -> None:
    fields: dict[str, Any] = {
        "client": "c",
        "transport": "t",
        "user": "u",
        "channel": "ch",
        "data": {"a": [1]},
        "meta": [1],
    }
    assert decode(PublishRequest, fields) == PublishRequest(**fields)
    assert decode(SubscribeRequest, fields) == SubscribeRequest(**fields)
