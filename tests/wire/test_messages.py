"""The messages against Centrifugo's own table, and the values that results refuse."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import proxyhooks
from proxyhooks import NULL, messages
from proxyhooks._wire.fields import Array, Bool, Integer, Json, Kind, Nested, Object, String, Timestamp, fields_of
from proxyhooks.messages import (
    ChannelsCapability,
    ConnectResult,
    FilterNode,
    MapPublishResult,
    PublishRequest,
    PublishResult,
    RefreshResult,
    RPCRequest,
    RPCResult,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshResult,
    SubscribeOptionOverride,
    SubscribeOptions,
    SubscribeResult,
)
from tests.support.paths import DATA

untyped: Any = proxyhooks
"""For calls whose arguments are wrong on purpose, so that type checkers let them pass."""

TABLE: dict[str, dict[str, str]] = json.loads((DATA / "messages.json").read_text())["messages"]
# Codes are exceptions here, and boxed booleans plain ones.
NOT_MESSAGES = {"Error", "Disconnect", "BoolValue"}


def word(kind: Kind) -> str:
    match kind:
        case String():
            return "string"
        case Bool(boxed=True):
            return "BoolValue"
        case Bool():
            return "bool"
        case Timestamp() | Integer(low=-0x8000000000000000, high=0x7FFFFFFFFFFFFFFF):
            return "int64"
        case Integer(low=0, high=0xFFFFFFFFFFFFFFFF):
            return "uint64"
        case Json():
            return "json"
        case Array(item=item):
            return f"array of {word(item)}"
        case Object(value=value):
            return f"object of {word(value)}"
        case Nested(cls=message):
            return message.__name__
    raise AssertionError(kind)


@pytest.mark.parametrize("name", sorted(set(TABLE) - NOT_MESSAGES))
def test_every_field_of_centrifugos_messages_is_there_with_its_type(name: str) -> None:
    written: dict[str, str] = {}
    for field in fields_of(getattr(messages, name)):
        written[field.name] = word(field.kind)
        if field.base64_name:
            written[field.base64_name] = "string"
    assert written == TABLE[name]


def test_there_are_no_other_messages() -> None:
    bases = {"Request", "Result", "ClientRequest", "UserRequest"}
    assert set(vars(messages)["__all__"]) - bases - {"NULL", "ExpireAt"} == set(TABLE) - NOT_MESSAGES


@pytest.mark.parametrize("name", sorted(set(TABLE) - NOT_MESSAGES))
def test_messages_are_frozen_slotted_and_take_keywords_only(name: str) -> None:
    cls = getattr(messages, name)
    assert not hasattr(object.__new__(cls), "__dict__")
    parameters = cls.__dataclass_params__
    assert parameters.frozen
    assert all(field.kw_only for field in dataclasses.fields(cls))


@pytest.mark.parametrize("name", sorted(name for name in TABLE if name.endswith("Request")))
def test_every_field_of_a_request_may_be_missing(name: str) -> None:
    request = getattr(messages, name)()
    assert getattr(request, "user", "") == ""
    assert getattr(request, "method", "") == ""
    assert getattr(request, "data", None) is None


AWARE = datetime(2099, 1, 1, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConnectResult(user=""),
        lambda: untyped.ConnectResult(user="42", channels=("a", "b"), labels={"a": "b"}, meta={"a": NULL}),
        lambda: ConnectResult(user="42", subs={"a": SubscribeOptions(info=b"\x00", cache_recover=True)}),
        lambda: ConnectResult(user="42", caps=[ChannelsCapability(channels=["a"], allow=["sub"], match="wildcard")]),
        lambda: RefreshResult(expired=True),
        lambda: RefreshResult(expire_at=AWARE),
        lambda: RefreshResult(expire_at=timedelta(minutes=5), meta=NULL),
        lambda: SubRefreshResult(expire_at=None),
        lambda: SubRefreshResult(expired=True),
        lambda: SubscribeResult(expire_at=2**63 - 1, override=SubscribeOptionOverride(presence=False)),
        lambda: SubscribeResult(
            server_tags_filter=FilterNode(op="and", nodes=[FilterNode(key="a", cmp="eq", val="b")])
        ),
        lambda: PublishResult(version=2**64 - 1, tags={"a": "b"}, data=NULL),
        lambda: MapPublishResult(score=-(2**63), key_mode="if_new", stream_data=b""),
        lambda: RPCResult(data=b""),
        lambda: SharedPollRefreshResult(items=[SharedPollRefreshResultItem(key="a", removed=True)]),
    ],
)
def test_good_results(make: Any) -> None:
    make()


@pytest.mark.parametrize(
    ("make", "error", "hint"),
    [
        (lambda: untyped.ConnectResult(user=42), TypeError, "ConnectResult.user must be a str, not 42: write str(42)"),
        (lambda: untyped.ConnectResult(user=uuid.UUID(int=1)), TypeError, "write str(UUID("),
        (lambda: untyped.ConnectResult(user=None), TypeError, "ConnectResult.user is required, and must not be None"),
        (lambda: untyped.ConnectResult(), TypeError, "user"),
        (lambda: untyped.ConnectResult(user=b"42"), TypeError, "must be a str"),
        (lambda: ConnectResult(user="\ud800"), ValueError, "surrogate"),
        (lambda: ConnectResult(user="1", labels={"\ud800": "a"}), ValueError, "surrogate"),
        (lambda: untyped.ConnectResult(user="1", channels="ab"), TypeError, "channels must be a list"),
        (lambda: untyped.ConnectResult(user="1", channels=["a", 1]), TypeError, "ConnectResult.channels[1]"),
        (lambda: untyped.ConnectResult(user="1", labels={"a": 1}), TypeError, "ConnectResult.labels['a']"),
        (lambda: untyped.ConnectResult(user="1", labels={1: "a"}), TypeError, "str keys"),
        (lambda: untyped.ConnectResult(user="1", subs={"a": {}}), TypeError, "subs['a'] must be a SubscribeOptions"),
        (lambda: ConnectResult(user="1", meta=b"x"), TypeError, "meta must be JSON, not bytes"),
        (lambda: untyped.ConnectResult(user="1", expire_at=1700000300.5), TypeError, "Unix seconds"),
        (lambda: untyped.ConnectResult(user="1", expire_at=1.7e9), TypeError, "Unix seconds"),
        (lambda: untyped.ConnectResult(user="1", expire_at="1700000300"), TypeError, "Unix seconds"),
        (lambda: ConnectResult(user="1", expire_at=True), TypeError, "Unix seconds"),
        (lambda: ConnectResult(user="1", expire_at=datetime(2099, 1, 1)), ValueError, "aware datetime"),
        (lambda: ConnectResult(user="1", expire_at=2**63), ValueError, str(2**63)),
        (lambda: untyped.ConnectResult(user="1", expire_at=NULL), TypeError, "NULL"),
        (lambda: RefreshResult(), ValueError, "one of"),
        (lambda: RefreshResult(expired=False), ValueError, "one of"),
        (lambda: RefreshResult(expired=True, expire_at=5), ValueError, "one of"),
        (lambda: untyped.RefreshResult(expired=1), TypeError, "True or False"),
        (lambda: SubRefreshResult(), ValueError, "with expire_at=None the subscription never expires again"),
        (lambda: SubRefreshResult(expired=True, expire_at=5), ValueError, "one of"),
        (lambda: untyped.SubscribeResult(allow=["everything"]), ValueError, "'sub', 'pub'"),
        (lambda: untyped.SubscribeResult(override={"presence": True}), TypeError, "SubscribeOptionOverride"),
        (lambda: untyped.SubscribeOptionOverride(presence=1), TypeError, "True or False"),
        (lambda: PublishResult(version=-1), ValueError, "PublishResult.version must be from 0 to"),
        (lambda: PublishResult(version=2**64), ValueError, "PublishResult.version must be from 0 to"),
        (lambda: untyped.PublishResult(version=1.0), TypeError, "must be an int"),
        (lambda: untyped.PublishResult(tags={"a": 1}), TypeError, "PublishResult.tags['a']"),
        (lambda: PublishResult(data=b""), ValueError, "empty bytes"),
        (lambda: MapPublishResult(data=b""), ValueError, "empty bytes"),
        (lambda: untyped.MapPublishResult(key_mode="always"), ValueError, "if_new"),
        (lambda: untyped.FilterNode(cmp="=="), ValueError, "neq"),
        (lambda: SharedPollRefreshResultItem(key="a", data=b"x"), TypeError, "must be JSON"),
        (lambda: untyped.PublishResult(dat=1), TypeError, "dat"),
    ],
)
def test_wrong_values_are_refused_when_the_result_is_made(make: Any, error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as refused:
        make()
    assert hint in str(refused.value)


def test_a_message_cannot_be_extended_with_types_that_centrifugo_does_not_have() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Mine(ConnectResult):
        when: datetime | None = None

    with pytest.raises(TypeError, match="messages cannot be extended"):
        Mine(user="1")


def test_null_is_a_singleton_with_a_repr() -> None:
    assert repr(NULL) == "NULL"
    assert copy.deepcopy(NULL) is NULL
    assert pickle.loads(pickle.dumps(NULL)) is NULL


def test_messages_can_be_copied_replaced_and_pickled() -> None:
    for message in (RPCRequest(method="a", data={"b": [1]}), ConnectResult(user="1", info=b"x")):
        assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == dataclasses.replace(message) == message


def test_requests_are_generic_over_data_and_meta() -> None:
    request = PublishRequest[dict[str, int], str](channel="a", data={"a": 1}, meta="m")
    assert request == PublishRequest(channel="a", data={"a": 1}, meta="m")
    assert RPCRequest[int](data=1).data == 1


def test_unidirectional_clients_are_recognised_by_their_transport() -> None:
    assert messages.ConnectRequest(transport="uni_sse").unidirectional
    assert not messages.ConnectRequest(transport="websocket").unidirectional


def test_messages_cannot_be_changed() -> None:
    request: Any = RPCRequest(method="a")
    for name in ("method", "anything"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"RPCRequest.{name}"):
            setattr(request, name, "b")
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(request, name)
