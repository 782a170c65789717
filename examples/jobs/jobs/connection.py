"""Connections, and the one channel of each user."""

from __future__ import annotations

from flask import session

from proxyhooks import ChannelPattern, ConnectRequest, ConnectResult, Hooks, SubscribeRequest, SubscribeResult, errors

from .codes import Unauthorized
from .schemas import JobSchema

hooks = Hooks()

OWN = ChannelPattern("jobs:<user>")
hooks.publication(OWN, JobSchema)


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    if "user" not in session:
        raise Unauthorized
    return ConnectResult(user=session["user"])


@hooks.subscribe(OWN)
def subscribe(req: SubscribeRequest, user: str) -> SubscribeResult:
    if user != req.user:
        raise errors.PermissionDenied
    return SubscribeResult()
