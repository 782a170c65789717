"""Rooms: listed, joined, left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from rooms.codes import InvitationOnly, RoomIsFull
from rooms.models import Room, User, db

from proxyhooks import errors
from proxyhooks.testing import Exchange, ProxyClient

Enter = Callable[[str], ProxyClient]
LOBBY, ATTIC, STAFF = 1, 2, 3


def seats_left(app: Flask, room_id: int) -> int:
    with app.app_context():
        return db.session.get_one(Room, room_id).seats_left


def at_once(clients: list[ProxyClient], room_id: int) -> list[Exchange]:
    """Let all clients join the room in the same moment."""
    together = threading.Barrier(len(clients), timeout=30)

    def join(client: ProxyClient) -> Exchange:
        together.wait()
        return client.rpc("rooms.join", {"room_id": room_id})

    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(join, clients))


def test_rooms_are_listed_with_what_they_are_to_the_user(enter: Enter) -> None:
    attic = {"id": ATTIC, "name": "attic", "seats_left": 0, "invitation_only": False}
    lobby = {"id": LOBBY, "name": "lobby", "seats_left": 20, "invitation_only": False}
    staff = {"id": STAFF, "name": "staff", "seats_left": 5, "invitation_only": True}
    for name, memberships in (("ada", (True, True, True)), ("bob", (False, True, False)), ("eve", (False,) * 3)):
        expected = [room | {"member": member} for room, member in zip((attic, lobby, staff), memberships, strict=True)]
        assert enter(name).rpc("rooms.list").data == expected


def test_other_methods_are_refused(enter: Enter) -> None:
    ada = enter("ada")
    for method in ("list", "rooms.", "rooms.burn", ""):
        assert ada.rpc(method).refused_with(errors.MethodNotFound), method


def test_user_is_a_member_from_joining_to_leaving(app: Flask, enter: Enter) -> None:
    eve = enter("eve")
    assert eve.rpc("rooms.join", {"room_id": LOBBY}).data == {"channel": "rooms:1"}
    assert eve.subscribe("rooms:1").allowed
    assert eve.rpc("rooms.leave", {"room_id": LOBBY}).data == {}
    eve.unsubscribe("rooms:1")
    assert eve.subscribe("rooms:1").refused_with(errors.PermissionDenied)
    assert seats_left(app, LOBBY) == 20


def test_joining_or_leaving_twice_is_once(app: Flask, enter: Enter) -> None:
    eve = enter("eve")
    for _ in range(2):
        assert eve.rpc("rooms.join", {"room_id": LOBBY}).allowed
        assert seats_left(app, LOBBY) == 19
    for _ in range(2):
        assert eve.rpc("rooms.leave", {"room_id": LOBBY}).allowed
        assert seats_left(app, LOBBY) == 20


def test_full_room_refuses_until_somebody_leaves(enter: Enter) -> None:
    eve = enter("eve")
    full = eve.rpc("rooms.join", {"room_id": ATTIC})
    assert (full.outcome, full.code, full.message, full.temporary) == ("refused", 1001, "room is full", True)
    assert enter("ada").rpc("rooms.leave", {"room_id": ATTIC}).allowed
    assert eve.rpc("rooms.join", {"room_id": ATTIC}).allowed


def test_room_by_invitation_refuses_everybody_but_its_members(app: Flask, enter: Enter) -> None:
    refused = enter("eve").rpc("rooms.join", {"room_id": STAFF})
    assert (refused.outcome, refused.code, refused.message) == ("refused", 1002, "by invitation only")
    assert not refused.temporary
    ada = enter("ada")
    assert ada.rpc("rooms.join", {"room_id": STAFF}).allowed
    assert ada.rpc("rooms.leave", {"room_id": STAFF}).allowed
    assert ada.rpc("rooms.join", {"room_id": STAFF}).refused_with(InvitationOnly)
    assert seats_left(app, STAFF) == 6


def test_last_seat_is_taken_once(app: Flask, enter: Enter) -> None:
    names = [f"user {number}" for number in range(8)]
    with app.app_context():
        room = Room(name="cellar", seats_left=1)
        db.session.add_all([room, *(User(name=name, password_hash="") for name in names)])
        db.session.commit()
        room_id = room.id
    joins = at_once([enter(name) for name in names], room_id)
    assert sorted(join.allowed for join in joins) == [False] * 7 + [True]
    assert sum(join.refused_with(RoomIsFull) for join in joins) == 7
    assert seats_left(app, room_id) == 0


def test_user_joins_once_through_several_connections(app: Flask, enter: Enter) -> None:
    joins = at_once([enter("eve") for _ in range(4)], LOBBY)
    assert [join.data for join in joins] == [{"channel": "rooms:1"}] * 4
    assert seats_left(app, LOBBY) == 19


@pytest.mark.parametrize("method", ["rooms.join", "rooms.leave"])
def test_what_is_no_room_is_refused(enter: Enter, method: str) -> None:
    eve = enter("eve")
    invalid: list[Any] = [{}, {"room_id": "1"}, {"room_id": 0}, {"room_id": 2**63}, {"room_id": 1.5}, None]
    for data in invalid:
        assert eve.rpc(method, data).refused_with(errors.BadRequest), data
    assert eve.rpc(method, {"room_id": 99}).refused_with(errors.UnknownChannel)


def test_room_hears_who_joins_and_who_leaves(enter: Enter, api_calls: list[tuple[str, Any]]) -> None:
    eve = enter("eve")
    for method in ("rooms.join", "rooms.join", "rooms.leave", "rooms.leave"):
        assert eve.rpc(method, {"room_id": LOBBY}).allowed
    (_, joined), (_, unsubscribed), (_, left) = api_calls
    assert [method for method, _ in api_calls] == ["publish", "unsubscribe", "publish"]
    for publication, data in ((joined, {"type": "joined", "name": "eve"}), (left, {"type": "left", "name": "eve"})):
        assert (publication["channel"], publication["data"], publication["skip_history"]) == ("rooms:1", data, True)
    assert (unsubscribed["user"], unsubscribed["channel"]) == ("3", "rooms:1")


def test_failure_of_the_api_is_only_logged(app: Flask, enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    app.config["CENTRIFUGO_API_URL"] = "http://127.0.0.1:1/api"
    with caplog.at_level(logging.ERROR, "proxyhooks"):
        assert enter("eve").rpc("rooms.join", {"room_id": LOBBY}).allowed
    assert "CentNetworkError" in caplog.text


def test_without_an_api_nothing_is_published(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    assert enter("eve").rpc("rooms.join", {"room_id": LOBBY}).allowed
    assert not caplog.records
