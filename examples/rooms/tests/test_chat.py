"""The channels of rooms: subscriptions, history, messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from rooms.models import Membership, Message, db
from sqlalchemy import delete, func, select

from proxyhooks import Error, errors
from proxyhooks.testing import Exchange, ProxyClient

Enter = Callable[[str], ProxyClient]


def write(app: Flask, count: int, room_id: int = 1) -> None:
    """Give the room so many messages of ada, whose texts count from 1."""
    with app.app_context():
        texts = range(1, count + 1)
        db.session.add_all(Message(room_id=room_id, author_id=1, text=str(text)) for text in texts)
        db.session.commit()


def number_of_messages(app: Flask) -> int | None:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Message))


def texts(history: Any) -> list[str]:
    return [message["text"] for message in history["messages"]]


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize(("count", "first", "complete"), [(0, 1, True), (20, 1, True), (21, 2, False), (45, 26, False)])
def test_new_subscriber_gets_the_latest_messages(
    app: Flask, enter: Enter, count: int, first: int, complete: bool
) -> None:
    write(app, 3, room_id=2)
    write(app, count)
    history = enter("bob").subscribe("rooms:1").data
    assert texts(history) == numbers(first, count)
    assert history["complete"] is complete


def test_subscriber_that_comes_back_gets_all_later_messages(app: Flask, enter: Enter) -> None:
    write(app, 30)
    history = enter("bob").subscribe("rooms:1", {"after": 5}).data
    assert texts(history) == numbers(6, 30)
    assert history["complete"] is True


def test_subscriber_that_was_away_for_long_is_told_that_there_are_more(app: Flask, enter: Enter) -> None:
    write(app, 250)
    bob = enter("bob")
    first = bob.subscribe("rooms:1", {"after": 10}).data
    assert (texts(first), first["complete"]) == (numbers(11, 210), False)
    bob.unsubscribe("rooms:1")
    second = bob.subscribe("rooms:1", {"after": first["messages"][-1]["id"]}).data
    assert (texts(second), second["complete"]) == (numbers(211, 250), True)


def test_subscriber_may_have_no_message(app: Flask, enter: Enter) -> None:
    write(app, 1)
    for data in ({}, {"after": None}):
        assert texts(enter("bob").subscribe("rooms:1", data).data) == ["1"]


def test_subscribe_data_of_another_shape_is_refused(enter: Enter) -> None:
    bob = enter("bob")
    invalid: list[Any] = [None, [], {"after": "1"}, {"after": -1}, {"after": 2**63}, {"before": 1}]
    for data in invalid:
        assert bob.subscribe("rooms:1", data).refused_with(errors.BadRequest), data


def test_channels_are_for_members(enter: Enter) -> None:
    eve = enter("eve")
    table: list[tuple[str, type[Error]]] = [
        ("rooms:1", errors.PermissionDenied),
        ("rooms:99", errors.UnknownChannel),
        ("rooms:01", errors.UnknownChannel),
        ("rooms:", errors.UnknownChannel),
        ("rooms:9223372036854775807", errors.UnknownChannel),
        ("rooms:9223372036854775808", errors.UnknownChannel),
        ("chat:1", errors.UnknownChannel),
    ]
    for channel, refusal in table:
        assert eve.subscribe(channel).refused_with(refusal), channel
        assert eve.publish(channel, {"text": "hi"}).refused_with(refusal), channel


def test_subscription_ends_with_the_membership(app: Flask, enter: Enter) -> None:
    ada = enter("ada")
    ada.subscribe("rooms:1")
    (kept,) = ada.advance(minutes=5)
    assert (kept.event, kept.allowed) == ("sub_refresh", True)
    with app.app_context():
        db.session.execute(delete(Membership).where(Membership.room_id == 1))
        db.session.commit()
    ended = next(step for step in ada.advance(minutes=5) if step.event == "sub_refresh")
    assert ended.outcome == "expired"
    assert (ada.channels, ada.connected) == ([], True)


def test_message_is_kept_and_says_who_wrote_it(app: Flask, enter: Enter) -> None:
    text, nonce = "<b> & \u2028 \u2603", str(uuid4())
    message: Any = enter("ada").publish("rooms:1", {"text": text, "nonce": nonce}).data
    sent_at = time.strptime(message.pop("sent_at"), "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(sent_at) - time.mktime(time.gmtime())) < 60
    assert message == {"type": "message", "id": 1, "author": "ada", "text": text, "nonce": nonce}
    with app.app_context():
        kept = db.session.scalars(select(Message)).one()
        assert (kept.room_id, kept.author.name, kept.text, str(kept.nonce)) == (1, "ada", text, nonce)


def test_message_that_is_sent_again_is_the_same_message(app: Flask, enter: Enter) -> None:
    ada, message = enter("ada"), {"text": "hi", "nonce": str(uuid4())}
    first, again = ada.publish("rooms:1", message), enter("ada").publish("rooms:1", message)
    assert again.data == first.data
    assert number_of_messages(app) == 1


def test_message_is_kept_once_when_it_is_sent_twice_at_once(app: Flask, enter: Enter) -> None:
    clients, message = [enter("ada") for _ in range(4)], {"text": "hi", "nonce": str(uuid4())}
    together = threading.Barrier(len(clients), timeout=30)

    def publish(client: ProxyClient) -> Exchange:
        together.wait()
        return client.publish("rooms:1", message)

    with ThreadPoolExecutor(len(clients)) as threads:
        sent: Sequence[Exchange] = list(threads.map(publish, clients))
    assert [step.data for step in sent] == [sent[0].data] * 4
    assert sent[0].allowed
    assert number_of_messages(app) == 1


def test_nonce_counts_for_its_author_and_room_only(app: Flask, enter: Enter) -> None:
    ada, bob, message = enter("ada"), enter("bob"), {"text": "hi", "nonce": str(uuid4())}
    sent = [ada.publish("rooms:1", message), ada.publish("rooms:2", message), bob.publish("rooms:1", message)]
    assert [step.data["id"] for step in sent if step.data] == [1, 2, 3]


def test_messages_without_a_nonce_are_all_kept(app: Flask, enter: Enter) -> None:
    ada = enter("ada")
    sent = [ada.publish("rooms:1", data) for data in ({"text": "hi"}, {"text": "hi"}, {"text": "hi", "nonce": None})]
    assert [step.data["id"] for step in sent if step.data] == [1, 2, 3]


def test_what_is_no_message_is_refused(app: Flask, enter: Enter) -> None:
    ada = enter("ada")
    invalid: list[Any] = [
        {},
        {"text": ""},
        {"text": "x" * 2001},
        {"text": 1},
        {"text": "hi", "author": "bob"},
        {"text": "hi", "nonce": "1"},
        {"text": "NUL \0"},
        b'{"text": "half an emoji \\ud83d"}',
        None,
        [],
        "hi",
    ]
    for data in invalid:
        assert ada.publish("rooms:1", data).refused_with(errors.BadRequest), data
    assert number_of_messages(app) == 0


def test_publishing_is_limited_for_each_user(app: Flask, enter: Enter) -> None:
    app.config["PUBLISH_LIMIT"] = "3 per hour"
    ada = enter("ada")
    assert ada.publish("rooms:1", {"text": ""}).refused_with(errors.BadRequest)  # which counts too
    assert [ada.publish("rooms:1", {"text": "hi"}).allowed for _ in range(2)] == [True] * 2
    refused = ada.publish("rooms:1", {"text": "hi"})
    assert refused.refused_with(errors.TooManyRequests)
    assert refused.temporary
    assert enter("bob").publish("rooms:1", {"text": "hi"}).allowed
