"""The refusals of this application, besides Centrifugo's own in ``proxyhooks.errors``."""

from __future__ import annotations

from proxyhooks import Disconnect, Error


class JobIsRunning(Error):
    """A user has one job at a time. It ends, so the client may try again."""

    code, message, temporary = 1001, "a job is running", True


class Unauthorized(Disconnect):
    """The client stays away until its page has logged in and calls ``connect()`` again."""

    code, reason = 4501, "unauthorized"
