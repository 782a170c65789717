"""The errors built into Centrifugo, codes 100-113, for hooks to raise.

``raise errors.PermissionDenied`` sends Centrifugo's own message, ``raise errors.PermissionDenied("only owners")``
another one.

On connect and subscribe the client SDKs give up after an error, unless it is temporary or its code is 109. They never
repeat a publish or an rpc. Replies to refresh and sub_refresh cannot carry errors: there a temporary error keeps the
connection or subscription for another minute, and any other error ends it.

Source: Centrifugo's chapter "Client protocol codes".
"""

from __future__ import annotations

from typing import Final

from .exceptions import Error

__all__ = [
    "AlreadySubscribed",
    "BadRequest",
    "ConcurrentPagination",
    "Expired",
    "Internal",
    "LimitExceeded",
    "MethodNotFound",
    "NotAvailable",
    "PermissionDenied",
    "TokenExpired",
    "TooManyRequests",
    "Unauthorized",
    "UnknownChannel",
    "UnrecoverablePosition",
    "by_code",
]


class Internal(Error):
    """The server failed; the client is probably not to blame.

    Raise it when a dependency is down and a retry may help. You need not convert unexpected exceptions into this error.

    The client tries again on connect and subscribe, because the error is temporary by definition.
    """

    code = 100


class Unauthorized(Error):
    """The request is not authorized.

    Raise it when the user is unknown. On connect, a unidirectional client or a browser without a session is better
    kept away with a disconnect, such as ``Disconnect(4501, "unauthorized")``.

    The client gives up on connect and subscribe.
    """

    code = 101


class UnknownChannel(Error):
    """The channel does not exist.

    Raise it when the application has nothing of that name.

    The client gives up on connect and subscribe.
    """

    code = 102


class PermissionDenied(Error):
    """Access to the resource is not allowed.

    Raise it when the user is known and may not do this.

    The client gives up on connect and subscribe.
    """

    code = 103


class MethodNotFound(Error):
    """The RPC method does not exist.

    Raise it in a hook for all methods, when it does not know the method.

    The client gives up on connect and subscribe.
    """

    code = 104


class AlreadySubscribed(Error):
    """The client is already subscribed to the channel.

    Raise it rarely: Centrifugo itself detects a second subscription.

    The client gives up on connect and subscribe.
    """

    code = 105


class LimitExceeded(Error):
    """A limit is exceeded.

    Raise it when a quota is used up, and waiting for a moment does not help.

    The client gives up on connect and subscribe.
    """

    code = 106


class BadRequest(Error):
    """The request is malformed; a retry cannot help.

    Raise it when a payload is invalid. A ``data_schema`` raises it for you.

    The client gives up on connect and subscribe.
    """

    code = 107


class NotAvailable(Error):
    """The resource is not enabled.

    Raise it when a feature is switched off.

    The client gives up on connect and subscribe.
    """

    code = 108


class TokenExpired(Error):
    """The token has expired.

    Raise it when a token has expired that the client SDK can replace.

    The client calls its ``getToken`` and tries again. Without a ``getToken`` it gives up.
    """

    code = 109


class Expired(Error):
    """The connection has expired, and no token is involved.

    Raise it when the credentials of the client are no longer valid. A result whose ``expire_at`` has passed is sent as
    this error.

    The client gives up on connect and subscribe.
    """

    code = 110


class TooManyRequests(Error):
    """A rate limit is exceeded.

    Raise it when the client may try again in a moment.

    The client tries again on connect and subscribe, because the error is temporary by definition.
    """

    code = 111


class UnrecoverablePosition(Error):
    """The stream no longer has the publications that a history query needs.

    Raise it when one of your RPC methods reads history that is gone.

    The client gives up on connect and subscribe.
    """

    code = 112


class ConcurrentPagination(Error):
    """Another pagination over the same stream is in progress.

    Raise it when one of your RPC methods pages through a stream, and only one client may do so at a time.

    The client tries again on connect and subscribe, because the error is temporary by definition.
    """

    code = 113


_BY_CODE: Final = {error.code: error for error in Error.__subclasses__() if error.__module__ == __name__}


def by_code(code: int) -> type[Error]:
    """The class of a built-in error: ``errors.by_code(103)`` is :class:`PermissionDenied`.

    :raises LookupError: if no built-in error has the code.
    """
    try:
        return _BY_CODE[code]
    except KeyError:
        raise LookupError(f"no built-in error has the code {code!r}: they are 100-113") from None
