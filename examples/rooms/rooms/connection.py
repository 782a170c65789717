"""Connections: who may connect, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app

from proxyhooks import ConnectRequest, ConnectResult, Hooks, RefreshRequest, RefreshResult

from .login import signed_in, still_signed_in
from .schemas import ConnectSchema, Meta, WelcomeSchema

hooks = Hooks()


@hooks.connect(data_schema=ConnectSchema, result_schema=WelcomeSchema)
def connect(req: ConnectRequest[dict[str, Any]]) -> ConnectResult:
    user, meta = signed_in(req.data["token"])
    # req.channels are what the client wishes: each is asked for with subscribe, so they are left alone here.
    return ConnectResult(user=str(user.id), expire_at=_soon(), info={"name": user.name}, data=user, meta=meta)


@hooks.refresh
def refresh(req: RefreshRequest[Meta]) -> RefreshResult:
    # load_user has seen that the user exists and is not banned.
    if not still_signed_in(req.meta):
        return RefreshResult(expired=True)
    return RefreshResult(expire_at=_soon())


def _soon() -> timedelta:
    return timedelta(seconds=current_app.config["REFRESH_AFTER"])
