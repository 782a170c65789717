"""Who is in which room: the RPC methods ``rooms.list``, ``rooms.join`` and ``rooms.leave``."""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import and_, delete, select, update
from sqlalchemy.exc import IntegrityError

from proxyhooks import ChannelPattern, Hooks, RPCRequest, RPCResult, after_reply, errors

from . import push
from .codes import InvitationOnly, RoomIsFull
from .models import Membership, Room, db
from .schemas import JoinedSchema, JoinSchema, LeftSchema, Meta, RoomIdSchema, RoomSchema

ROOM = ChannelPattern("rooms:<int:room_id>")

hooks = Hooks()


@hooks.rpc("list", result_schema=RoomSchema(many=True))
def list_rooms(req: RPCRequest[Any, Meta]) -> RPCResult:
    own = and_(Membership.room_id == Room.id, Membership.user_id == g.user.id)
    member = Membership.user_id.is_not(None).label("member")
    rooms = select(Room.id, Room.name, Room.seats_left, Room.invitation_only, member).outerjoin(Membership, own)
    return RPCResult(data=db.session.execute(rooms.order_by(Room.name)).mappings().all())


@hooks.rpc("join", data_schema=RoomIdSchema, result_schema=JoinSchema)
def join(req: RPCRequest[dict[str, Any], Meta]) -> RPCResult:
    room = find_room(req.data["room_id"])
    channel = ROOM.format(room_id=room.id)
    if not is_member(room.id):
        if room.invitation_only:
            raise InvitationOnly
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
            after_reply.for_key(channel)(push.publish, channel, joined)
    return RPCResult(data={"channel": channel})


@hooks.rpc("leave", data_schema=RoomIdSchema)
def leave(req: RPCRequest[dict[str, Any], Meta]) -> RPCResult:
    room = find_room(req.data["room_id"])
    channel = ROOM.format(room_id=room.id)
    membership = delete(Membership).where(Membership.user_id == g.user.id, Membership.room_id == room.id)
    if db.session.scalar(membership.returning(Membership.room_id)) is not None:
        room.seats_left = Room.seats_left + 1
        db.session.commit()
        # At once, if Centrifugo's API can be reached; else sub_refresh ends the subscription.
        left = hooks.dump_publication(channel, g.user, schema=LeftSchema)
        after_reply.for_key(channel)(push.unsubscribe, req.user, channel)
        after_reply.for_key(channel)(push.publish, channel, left)
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
