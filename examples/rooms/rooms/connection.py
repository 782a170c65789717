"""Connections: who may connect, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app

from proxyhooks import ConnectRequest, ConnectResult, Hooks, RefreshRequest, RefreshResult

from .accounts import find_login, login_of_client, require_not_banned
from .schemas import ConnectSchema, Meta, WelcomeSchema

hooks = Hooks()


@hooks.connect(data_schema=ConnectSchema, result_schema=WelcomeSchema)
def connect(req: ConnectRequest[dict[str, Any]]) -> ConnectResult:
    login = login_of_client(req.data["token"])
    user = login.user
    require_not_banned(user)
    # req.channels are what the client wishes: each is asked for with subscribe, so they are left alone here.
    return ConnectResult(
        user=str(user.id), expire_at=_soon(), info={"name": user.name}, data=user, meta=Meta(login_id=login.id)
    )


@hooks.refresh
def refresh(req: RefreshRequest[Meta]) -> RefreshResult:
    # load_user has seen that the user exists and is not banned.
    if find_login(req.meta.login_id) is None:
        return RefreshResult(expired=True)
    return RefreshResult(expire_at=_soon())


def _soon() -> timedelta:
    return timedelta(seconds=current_app.config["REFRESH_AFTER"])
