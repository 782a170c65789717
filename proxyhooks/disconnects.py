"""The disconnects built into Centrifugo, codes 3000-3509, to be raised by hooks.

A disconnect closes the connection of the client. Its number decides what the client does: after 3500-3999 it stays
away, after the others it reconnects. On refresh and sub_refresh, which carry no disconnects, one ends the connection
or the subscription.

Source: Centrifugo's chapter "Client protocol codes".
"""

from __future__ import annotations

from typing import Final

from .exceptions import Disconnect

__all__ = [
    "BadRequest",
    "ChannelLimit",
    "ConnectionClosed",
    "ConnectionLimit",
    "Expired",
    "ForceNoReconnect",
    "ForceReconnect",
    "InappropriateProtocol",
    "InsufficientState",
    "InvalidToken",
    "NoPong",
    "NotAvailable",
    "PermissionDenied",
    "ServerError",
    "Shutdown",
    "Slow",
    "Stale",
    "StateInvalidated",
    "SubExpired",
    "TooManyErrors",
    "TooManyRequests",
    "WriteError",
    "by_code",
]


class ConnectionClosed(Disconnect, sendable=False):
    """The connection was closed without any advice from the server.

    To be raised never: Centrifugo sends the client nothing for it, and the client comes back. It stands here
    because clients and logs show the code.

    The client comes back.
    """

    code = 3000


class Shutdown(Disconnect):
    """The node is going to shut down.

    To be raised rarely by an application: Centrifugo sends it when it stops.

    The client comes back.
    """

    code = 3001


class ServerError(Disconnect):
    """An internal error occurred on the server.

    To be raised rarely: a temporary error keeps the connection and says the same.

    The client comes back.
    """

    code = 3004


class Expired(Disconnect):
    """The connection expired.

    To be raised when the client is to connect anew because what it came with ran out.

    The client comes back.
    """

    code = 3005


class SubExpired(Disconnect):
    """A subscription expired.

    To be raised rarely: answer sub_refresh with ``expired=True`` instead, which ends the subscription alone.

    The client comes back.
    """

    code = 3006


class Slow(Disconnect):
    """The client cannot read messages fast enough.

    To be raised rarely by an application: Centrifugo notices it.

    The client comes back.
    """

    code = 3008


class WriteError(Disconnect):
    """Writing to the connection failed.

    To be raised rarely by an application: Centrifugo notices it.

    The client comes back.
    """

    code = 3009


class InsufficientState(Disconnect):
    """The client has a wrong position in a channel's stream; reconnecting lets it recover.

    To be raised when the application knows that the client missed something.

    The client comes back.
    """

    code = 3010


class ForceReconnect(Disconnect):
    """The server wants the client to connect anew.

    To be raised when the connect hook should run again for this client, for example because its rights changed;
    meta that no longer fits its schema becomes this.

    The client comes back.
    """

    code = 3011


class NoPong(Disconnect):
    """No pong came back in time.

    To be raised rarely by an application: Centrifugo notices it.

    The client comes back.
    """

    code = 3012


class TooManyRequests(Disconnect):
    """The client sends too many commands.

    To be raised when a flood is to be interrupted, and the client may come back.

    The client comes back.
    """

    code = 3013


class StateInvalidated(Disconnect):
    """Cached state or a token is no longer valid; the client fetches a fresh token and synchronises again.

    To be raised when everything the client knows should be fetched anew.

    The client comes back.
    """

    code = 3014


class InvalidToken(Disconnect):
    """The client came with an invalid token.

    To be raised when a token in the connect data is wrong.

    The client stays away.
    """

    code = 3500


class BadRequest(Disconnect):
    """The client sent malformed frames.

    To be raised when a client is broken beyond an error on one command.

    The client stays away.
    """

    code = 3501


class Stale(Disconnect):
    """The connection was not authenticated in time.

    To be raised rarely by an application: Centrifugo notices it.

    The client stays away.
    """

    code = 3502


class ForceNoReconnect(Disconnect):
    """The server disconnects the client and asks it not to come back.

    To be raised when the client is to go and stay away, whatever the reason.

    The client stays away.
    """

    code = 3503


class ConnectionLimit(Disconnect):
    """A connection limit is exceeded.

    To be raised when a user has too many connections.

    The client stays away.
    """

    code = 3504


class ChannelLimit(Disconnect):
    """A channel limit is exceeded.

    To be raised when a client has too many subscriptions.

    The client stays away.
    """

    code = 3505


class InappropriateProtocol(Disconnect):
    """The format of the connection cannot carry the data, such as binary data for a JSON client.

    To be raised when only clients of the other format can be served.

    The client stays away.
    """

    code = 3506


class PermissionDenied(Disconnect):
    """Access to the server is not allowed.

    To be raised when the user may not use the real-time layer at all.

    The client stays away.
    """

    code = 3507


class NotAvailable(Disconnect):
    """What is asked for is not available.

    To be raised where the error of that name does not fit.

    The client stays away.
    """

    code = 3508


class TooManyErrors(Disconnect):
    """The client generates too many errors.

    To be raised when a client should stop trying.

    The client stays away.
    """

    code = 3509


_BY_CODE: Final = {
    disconnect.code: disconnect for disconnect in Disconnect.__subclasses__() if disconnect.__module__ == __name__
}


def by_code(code: int) -> type[Disconnect]:
    """The class of a built-in disconnect: ``disconnects.by_code(3503)`` is :class:`ForceNoReconnect`.

    :raises LookupError: if no built-in disconnect has the code.
    """
    try:
        return _BY_CODE[code]
    except KeyError:
        raise LookupError(f"no built-in disconnect has the code {code!r}: they are 3000-3014 and 3500-3509") from None
