"""The refusals of this application, besides Centrifugo's own in ``proxyhooks.errors``."""

from __future__ import annotations

from proxyhooks import Disconnect, Error


class RoomIsFull(Error):
    """Somebody may leave: the client may try again."""

    code, message, temporary = 1001, "room is full", True


class InvitationOnly(Error):
    code, message = 1002, "by invitation only"


class Unauthorized(Disconnect):
    """The client stays away until its page has logged in and calls ``connect()`` again."""

    code, reason = 4501, "unauthorized"


class Banned(Disconnect):
    code, reason = 4503, "banned"
