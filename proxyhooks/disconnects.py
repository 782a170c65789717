"""The disconnects built into Centrifugo, codes 3000-3509, for hooks to raise.

A disconnect closes the connection of the client. Its code decides what the client does: after 3500-3999 it stays away,
after the others it reconnects. Replies to refresh and sub_refresh cannot carry disconnects: there a disconnect ends the
connection or the subscription as an expiry does.

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
    """The connection was closed, and the server gave no code.

    It cannot be raised: Centrifugo sends the client nothing for it. The class exists because clients and logs show the
    code.

    The client reconnects.
    """

    code = 3000


class Shutdown(Disconnect):
    """The Centrifugo node shuts down.

    Raise it rarely: Centrifugo sends it when it stops.

    The client reconnects.
    """

    code = 3001


class ServerError(Disconnect):
    """An internal error occurred on the server.

    Raise it rarely: a temporary error reports the same and keeps the connection.

    The client reconnects.
    """

    code = 3004


class Expired(Disconnect):
    """The connection has expired.

    Raise it when the client must connect again, because its credentials have expired.

    The client reconnects.
    """

    code = 3005


class SubExpired(Disconnect):
    """A subscription has expired.

    Raise it rarely: ``SubRefreshResult(expired=True)`` ends the subscription and keeps the connection.

    The client reconnects.
    """

    code = 3006


class Slow(Disconnect):
    """The client cannot read messages fast enough.

    Raise it rarely: Centrifugo detects it.

    The client reconnects.
    """

    code = 3008


class WriteError(Disconnect):
    """Writing to the connection failed.

    Raise it rarely: Centrifugo detects it.

    The client reconnects.
    """

    code = 3009


class InsufficientState(Disconnect):
    """The client has a wrong position in the stream of a channel, and can recover by reconnecting.

    Raise it when the application knows that the client has missed publications.

    The client reconnects.
    """

    code = 3010


class ForceReconnect(Disconnect):
    """The server asks the client to reconnect.

    Raise it when the connect hook must run again for this client, for example because its permissions have changed.
    A request whose meta no longer fits the ``meta_schema`` is answered with it.

    The client reconnects.
    """

    code = 3011


class NoPong(Disconnect):
    """The client did not answer a ping in time.

    Raise it rarely: Centrifugo detects it.

    The client reconnects.
    """

    code = 3012


class TooManyRequests(Disconnect):
    """The client sends too many commands.

    Raise it to stop a flood of commands from a client that may reconnect.

    The client reconnects.
    """

    code = 3013


class StateInvalidated(Disconnect):
    """Cached state or a token is no longer valid; the client gets a new token and synchronises again.

    Raise it when the client must fetch everything again.

    The client reconnects.
    """

    code = 3014


class InvalidToken(Disconnect):
    """The token of the client is invalid.

    Raise it when the connect data has an invalid token.

    The client stays away.
    """

    code = 3500


class BadRequest(Disconnect):
    """The client sent malformed frames.

    Raise it when a client is so broken that an error for one command is not enough.

    The client stays away.
    """

    code = 3501


class Stale(Disconnect):
    """The connection was not authenticated in time.

    Raise it rarely: Centrifugo detects it.

    The client stays away.
    """

    code = 3502


class ForceNoReconnect(Disconnect):
    """The server disconnects the client and asks it not to reconnect.

    Raise it when the client must stay away and no other code fits better.

    The client stays away.
    """

    code = 3503


class ConnectionLimit(Disconnect):
    """A connection limit is exceeded.

    Raise it when a user has too many connections.

    The client stays away.
    """

    code = 3504


class ChannelLimit(Disconnect):
    """A channel limit is exceeded.

    Raise it when a client has too many subscriptions.

    The client stays away.
    """

    code = 3505


class InappropriateProtocol(Disconnect):
    """The protocol of the client cannot carry the data, such as binary data for a JSON client.

    Raise it when the application serves only clients of the other protocol.

    The client stays away.
    """

    code = 3506


class PermissionDenied(Disconnect):
    """Access to the server is not allowed.

    Raise it when the user may not connect at all.

    The client stays away.
    """

    code = 3507


class NotAvailable(Disconnect):
    """The feature is not available.

    Raise it when :class:`proxyhooks.errors.NotAvailable` would not be enough.

    The client stays away.
    """

    code = 3508


class TooManyErrors(Disconnect):
    """The client causes too many errors.

    Raise it when a client must stop trying.

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
