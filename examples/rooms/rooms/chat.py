"""The channels of rooms: for members, with the messages that they have missed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app, g
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from proxyhooks import (
    Hooks,
    PublishRequest,
    PublishResult,
    SubRefreshRequest,
    SubRefreshResult,
    SubscribeRequest,
    SubscribeResult,
)

from .limits import publish_limit
from .membership import ROOM, require_member
from .models import Message, db
from .schemas import (
    HistorySchema,
    JoinedSchema,
    LeftSchema,
    MessageSchema,
    Meta,
    NewMessageSchema,
    SubscribeSchema,
)

LATEST, AT_MOST = 20, 200
"""Messages for a new subscriber, and for one that comes back."""

hooks = Hooks()
hooks.publication(ROOM, MessageSchema, JoinedSchema, LeftSchema)


@hooks.subscribe(ROOM, data_schema=SubscribeSchema, result_schema=HistorySchema)
def subscribe(req: SubscribeRequest[dict[str, Any], Meta], room_id: int) -> SubscribeResult:
    require_member(room_id)
    return SubscribeResult(expire_at=_soon(), data=history(room_id, req.data["after"]))


@hooks.sub_refresh(ROOM)
def sub_refresh(req: SubRefreshRequest[Meta], room_id: int) -> SubRefreshResult:
    require_member(room_id)
    return SubRefreshResult(expire_at=_soon())


@hooks.publish(ROOM, data_schema=NewMessageSchema, result_schema=MessageSchema, decorators=[publish_limit])
def publish(req: PublishRequest[dict[str, Any], Meta], room_id: int) -> PublishResult:
    require_member(room_id)
    message = Message(room_id=room_id, author_id=g.user.id, **req.data)
    db.session.add(message)
    try:
        db.session.commit()
    except IntegrityError:
        if req.data["nonce"] is None:
            raise
        # Its author has not seen the reply to the first one. It is published again: clients drop what they have.
        db.session.rollback()
        sent = select(Message).filter_by(room_id=room_id, author_id=g.user.id, nonce=req.data["nonce"])
        message = db.session.scalars(sent).one()
    return PublishResult(data=message)


def history(room_id: int, after: int | None) -> dict[str, Any]:
    """The latest messages, or the first ones after the message with this id."""
    limit = LATEST if after is None else AT_MOST
    of_room = select(Message).filter_by(room_id=room_id).limit(limit + 1)
    if after is None:
        found = db.session.scalars(of_room.order_by(Message.id.desc())).all()
        messages = found[:limit][::-1]
    else:
        found = db.session.scalars(of_room.where(Message.id > after).order_by(Message.id)).all()
        messages = found[:limit]
    return {"messages": messages, "complete": len(found) <= limit}


def _soon() -> timedelta:
    return timedelta(seconds=current_app.config["SUB_REFRESH_AFTER"])
