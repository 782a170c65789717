"""Rooms: their channels are for members, who are those that joined. The RPC methods are ``rooms.list`` and so on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app, g
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from proxyhooks import (
    ChannelPattern,
    Hooks,
    PublishRequest,
    PublishResult,
    RPCRequest,
    RPCResult,
    SubRefreshRequest,
    SubRefreshResult,
    SubscribeRequest,
    SubscribeResult,
    after_reply,
    errors,
)

from . import push
from .codes import RoomIsFull
from .limits import publish_limit
from .models import Membership, Message, Room, db
from .schemas import HistorySchema, JoinedSchema, MessageSchema, Meta, NewMessageSchema, RoomIdSchema, RoomSchema

hooks = Hooks()

ROOM = ChannelPattern("rooms:<int:room_id>")
hooks.publication(ROOM, MessageSchema, JoinedSchema)


@hooks.subscribe(ROOM, result_schema=HistorySchema)
def subscribe(req: SubscribeRequest[Any, Meta], room_id: int) -> SubscribeResult:
    require_member(room_id)
    latest = select(Message).filter_by(room_id=room_id).order_by(Message.id.desc()).limit(20)
    messages = db.session.scalars(latest).all()
    return SubscribeResult(expire_at=_soon(), data={"messages": messages[::-1]})


@hooks.sub_refresh(ROOM)
def sub_refresh(req: SubRefreshRequest[Meta], room_id: int) -> SubRefreshResult:
    require_member(room_id)
    return SubRefreshResult(expire_at=_soon())


@hooks.publish(ROOM, data_schema=NewMessageSchema, result_schema=MessageSchema, decorators=[publish_limit])
def publish(req: PublishRequest[dict[str, Any], Meta], room_id: int) -> PublishResult:
    require_member(room_id)
    now = datetime.now(UTC).replace(tzinfo=None)
    message = Message(room_id=room_id, author=g.user, text=req.data["text"], sent_at=now)
    db.session.add(message)
    db.session.commit()
    return PublishResult(data=message)


@hooks.rpc("list", result_schema=RoomSchema(many=True))
def list_rooms(req: RPCRequest[Any, Meta]) -> RPCResult:
    return RPCResult(data=db.session.scalars(select(Room).order_by(Room.name)).all())


@hooks.rpc("join", data_schema=RoomIdSchema)
def join(req: RPCRequest[dict[str, Any], Meta]) -> RPCResult:
    room = find_room(req.data["room_id"])
    channel = ROOM.format(room_id=room.id)
    if not is_member(room.id):
        seat = update(Room).where(Room.id == room.id, Room.seats_left > 0).values(seats_left=Room.seats_left - 1)
        if db.session.scalar(seat.returning(Room.id)) is None:
            raise RoomIsFull
        db.session.add(Membership(user_id=g.user.id, room_id=room.id))
        try:
            db.session.commit()
        except IntegrityError:  # joined in the same moment through another connection; the seat is given back
            db.session.rollback()
        else:
            joined = hooks.dump_publication(channel, g.user, schema=JoinedSchema)
            after_reply(push.publish, channel, joined)
    return RPCResult(data={"channel": channel})


@hooks.rpc("leave", data_schema=RoomIdSchema)
def leave(req: RPCRequest[dict[str, Any], Meta]) -> RPCResult:
    room = find_room(req.data["room_id"])
    membership = delete(Membership).where(Membership.user_id == g.user.id, Membership.room_id == room.id)
    if db.session.scalar(membership.returning(Membership.room_id)) is not None:
        room.seats_left = Room.seats_left + 1
        db.session.commit()
        # At once, if Centrifugo's API can be reached; else sub_refresh ends the subscription.
        after_reply(push.unsubscribe, req.user, ROOM.format(room_id=room.id))
    return RPCResult(data={})


def find_room(room_id: int) -> Room:
    room = db.session.get(Room, room_id)
    if room is None:
        raise errors.UnknownChannel
    return room


def is_member(room_id: int) -> bool:
    return db.session.get(Membership, (g.user.id, room_id)) is not None


def require_member(room_id: int) -> None:
    find_room(room_id)
    if not is_member(room_id):
        raise errors.PermissionDenied


def _soon() -> timedelta:
    return timedelta(seconds=current_app.config["SUB_REFRESH_AFTER"])
