"""The errors built into Centrifugo, codes 100-113, to be raised by hooks.

``raise errors.PermissionDenied`` sends Centrifugo's own message, ``errors.PermissionDenied("only owners")`` another.
On connect and subscribe an error is final for the client SDKs unless it is temporary or its code is 109. Publish and
RPC calls fail with it once; the SDK does not repeat them. On refresh and sub_refresh, which carry no errors, a final
one ends the connection or subscription, and a temporary one leaves it for another minute.

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
    """Something went wrong on the server; the client is most probably not to blame.

    To be raised when a dependency is down and a retry may help; an exception that nobody caught need not be turned
    into this.

    The client tries again on connect and subscribe: temporary by definition.
    """

    code = 100


class Unauthorized(Error):
    """The request is not authorized.

    To be raised when it is not known who is asking. On connect a one-way client or a browser without a session is
    better served by a disconnect that keeps it away, such as ``Disconnect(4501, "unauthorized")``.

    The client gives up on connect and subscribe.
    """

    code = 101


class UnknownChannel(Error):
    """There is no such channel.

    To be raised when the name matches nothing the application has.

    The client gives up on connect and subscribe.
    """

    code = 102


class PermissionDenied(Error):
    """Access to the resource is not allowed.

    To be raised when it is known who is asking, and the answer is no.

    The client gives up on connect and subscribe.
    """

    code = 103


class MethodNotFound(Error):
    """There is no such RPC method.

    To be raised when a hook for all methods meets one it does not know.

    The client gives up on connect and subscribe.
    """

    code = 104


class AlreadySubscribed(Error):
    """The client is subscribed to the channel already.

    To be raised rarely: Centrifugo itself notices a double subscription.

    The client gives up on connect and subscribe.
    """

    code = 105


class LimitExceeded(Error):
    """Some limit is exceeded.

    To be raised when a quota is used up and waiting a moment does not help.

    The client gives up on connect and subscribe.
    """

    code = 106


class BadRequest(Error):
    """The data is malformed; retrying makes no sense.

    To be raised when a payload is not what it should be; a ``data_schema`` raises it for you.

    The client gives up on connect and subscribe.
    """

    code = 107


class NotAvailable(Error):
    """The resource is not enabled.

    To be raised when a feature is switched off.

    The client gives up on connect and subscribe.
    """

    code = 108


class TokenExpired(Error):
    """The token expired.

    To be raised when a token that the client's SDK can replace has expired: the SDK calls its ``getToken`` and
    tries again.

    The client asks for a new token and tries again; it gives up if the page has no ``getToken``.
    """

    code = 109


class Expired(Error):
    """The connection expired, no token involved.

    To be raised when what the client came with is no longer valid; a result whose ``expire_at`` has passed becomes
    this.

    The client gives up on connect and subscribe.
    """

    code = 110


class TooManyRequests(Error):
    """Rejected by a rate limit.

    To be raised when the client may try again in a moment.

    The client tries again on connect and subscribe: temporary by definition.
    """

    code = 111


class UnrecoverablePosition(Error):
    """The stream lacks the publications that a history query needs.

    To be raised when an RPC of yours reads a history that is gone.

    The client gives up on connect and subscribe.
    """

    code = 112


class ConcurrentPagination(Error):
    """Another pagination over the same stream is in progress.

    To be raised when an RPC of yours pages through a stream and only one may do so at a time.

    The client tries again on connect and subscribe: temporary by definition.
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
