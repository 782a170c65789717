"""Connections, and the one channel of each user."""

from __future__ import annotations

from flask import session

from proxyhooks import ChannelPattern, ConnectRequest, ConnectResult, Hooks, SubscribeRequest, SubscribeResult, errors

from .codes import Unauthorized
from .schemas import JobSchema, WelcomeSchema

hooks = Hooks()

OWN = ChannelPattern("jobs:<user>")
hooks.publication(OWN, JobSchema)


@hooks.connect(result_schema=WelcomeSchema)
def connect(req: ConnectRequest) -> ConnectResult:
    if "user" not in session:
        raise Unauthorized
    # The page compares it: with another tab, somebody else may have logged in.
    return ConnectResult(user=session["user"], data={"user": session["user"]})


@hooks.subscribe(OWN)
def subscribe(req: SubscribeRequest, user: str) -> SubscribeResult:
    if user != req.user:
        raise errors.PermissionDenied
    return SubscribeResult()
