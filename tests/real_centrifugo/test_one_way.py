"""Unidirectional clients: they cannot get an error, and reconnect after most disconnects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real_centrifugo.calls import Calls
from tests.real_centrifugo.client import Message, one_way

# What a refusal of connect becomes. After 3500-3999 and 4500-4999 a client stays away.
SEEN: dict[str, Message] = {
    # Sent as an error, these would be 3004 (most of them), and the client would ask again for ever.
    "error": {"code": 3503, "reason": "permission denied"},
    "custom-error": {"code": 3503, "reason": "room is full"},
    "disconnect": {"code": 4501, "reason": "unauthorized"},
    # What is temporary stays an error, and Centrifugo's translation brings the client back.
    "temporary-error": {"code": 3013, "reason": "too many requests"},
    "custom-temporary-error": {"code": 3004, "reason": "internal server error"},
    "crash": {"code": 3004, "reason": "internal server error"},
}

pytestmark = pytest.mark.parametrize("transport", ["uni_sse", "uni_http_stream", "uni_websocket"])


def test_a_result_lets_in(centrifugo: str, calls: Calls, name: str, transport: str) -> None:
    with one_way(centrifugo, transport, {"data": {"user": name}}) as pushes:
        message = next(pushes)
    assert message["connect"]["data"] == {"welcome": name}
    assert [call["transport"] for call in calls("connect", client=message["connect"]["client"])] == [transport]


def test_a_hostile_payload_keeps_away(centrifugo: str, transport: str) -> None:
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    with one_way(centrifugo, transport, {"data": {"value": nested}}) as pushes:
        assert next(pushes) == {"disconnect": {"code": 3503, "reason": "bad request"}}


@pytest.mark.parametrize("do", SEEN)
def test_a_refusal_keeps_away_unless_it_is_temporary(centrifugo: str, name: str, transport: str, do: str) -> None:
    with one_way(centrifugo, transport, {"data": {"user": name, "do": do}}) as pushes:
        assert next(pushes) == {"disconnect": SEEN[do]}
