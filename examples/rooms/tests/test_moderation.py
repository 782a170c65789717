"""Bans, by the commands of an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from rooms.codes import Banned

from proxyhooks.testing import ProxyClient

Enter = Callable[[str], ProxyClient]


def test_banned_user_is_out_everywhere(app: Flask, enter: Enter) -> None:
    caller, idler, disconnected = enter("eve"), enter("eve"), enter("eve")
    assert app.test_cli_runner().invoke(args=["ban", "eve"]).exit_code == 0
    assert idler.refresh().outcome == "expired"
    assert caller.rpc("rooms.list").disconnected_with(Banned)
    assert not caller.connected
    assert not disconnected.server_disconnect(Banned).comes_back
    for client in (caller, idler, disconnected):
        refused = client.reconnect()
        assert (refused.outcome, refused.code, refused.reason) == ("disconnected", 4503, "banned")


def test_ban_ends_the_connections(app: Flask, api_calls: list[tuple[str, Any]]) -> None:
    banned = app.test_cli_runner().invoke(args=["ban", "eve"])
    assert (banned.exit_code, banned.output) == (0, "eve is banned.\n")
    ((method, body),) = api_calls
    assert (method, body["user"], body["disconnect"]) == ("disconnect", "3", {"code": 4503, "reason": "banned"})


def test_ban_says_that_connections_stay(app: Flask) -> None:
    banned = app.test_cli_runner().invoke(args=["ban", "eve"])
    assert (banned.exit_code, banned.stdout) == (0, "eve is banned.\n")
    assert "CENTRIFUGO_API_URL" in banned.stderr


def test_ban_stands_where_the_api_fails(app: Flask, enter: Enter) -> None:
    app.config["CENTRIFUGO_API_URL"] = "http://127.0.0.1:1/api"
    eve = enter("eve")
    banned = app.test_cli_runner().invoke(args=["ban", "eve"])
    assert banned.exit_code == 1
    assert "eve is banned, but still connected" in banned.stderr
    assert eve.rpc("rooms.list").disconnected_with(Banned)


def test_unbanned_user_may_come_back(app: Flask, enter: Enter) -> None:
    eve = enter("eve")
    for command in ("ban", "unban"):
        assert app.test_cli_runner().invoke(args=[command, "eve"]).exit_code == 0
    assert eve.reconnect().allowed


def test_unknown_user_cannot_be_banned(app: Flask) -> None:
    for command in ("ban", "unban"):
        refused = app.test_cli_runner().invoke(args=[command, "nobody"])
        assert refused.exit_code == 1
        assert "'nobody'" in refused.stderr
