"""What Centrifugo asks. Public as part of ``messages``."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, Literal

from .fields import Int64, JsonOf, PayloadOf, UInt64, message_class

if TYPE_CHECKING:
    from typing_extensions import TypeVar
else:
    try:
        from typing import TypeVar

        TypeVar("_", default=Any)
    except TypeError:  # before Python 3.13 type variables have no defaults
        from typing_extensions import TypeVar

DataT = TypeVar("DataT", default=Any)
MetaT = TypeVar("MetaT", default=Any)


class Request:
    """Base of what Centrifugo asks."""

    __slots__ = ()


@message_class
class ClientRequest(Request):
    """Base of the requests that concern one client's connection."""

    client: str = ""
    """The connection's id, unique in the cluster."""
    transport: str = ""
    """Such as ``websocket``; names that start with ``uni_`` belong to one-way clients."""
    protocol: Literal["json", "protobuf"] = "json"
    """What the client speaks."""
    encoding: Literal["json", "binary"] = "json"
    """How payloads come: ``binary`` if the proxy has ``binary_encoding``."""

    @property
    def unidirectional(self) -> bool:
        """Whether the client only listens: errors on connect make it reconnect."""
        return self.transport.startswith("uni_")


@message_class
class UserRequest(ClientRequest, Generic[MetaT]):
    """Base of the requests of a client that is connected."""

    user: str = ""
    """The id that the connect hook gave; empty for an anonymous user."""
    meta: JsonOf[MetaT] = None  # type: ignore[assignment]  # null and absent both arrive as None
    """What the connect hook attached, if the proxy has ``include_connection_meta``."""
    labels: dict[str, str] = field(default_factory=dict)
    """Centrifugo PRO only."""


@message_class
class ConnectRequest(ClientRequest, Generic[DataT]):
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest
    """What the client sent along."""
    name: str = ""
    """The client's own name for its SDK or application."""
    version: str = ""
    channels: list[str] = field(default_factory=list)
    """Channels the client wishes to be subscribed to. To copy them into the result unchecked gives everything away."""


@message_class
class RefreshRequest(UserRequest[MetaT]):
    """A connection is about to expire."""


@message_class
class SubscribeRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    channel: str = ""
    token: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class SubRefreshRequest(UserRequest[MetaT]):
    """A subscription is about to expire."""

    channel: str = ""


@message_class
class PublishRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    channel: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class RPCRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    method: str = ""
    """Empty for an unnamed call."""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class MapPublishRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    channel: str = ""
    key: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class MapRemoveRequest(UserRequest[MetaT]):
    channel: str = ""
    key: str = ""


@message_class
class SharedPollRefreshItem(Request):
    key: str = ""
    version: UInt64 = 0
    """What Centrifugo has; 0 if nothing yet."""


@message_class
class SharedPollRefreshRequest(Request):
    channel: str = ""
    items: list[SharedPollRefreshItem] = field(default_factory=list)


@message_class
class NotifyCacheEmptyRequest(Request):
    """Centrifugo PRO: a channel's cache has nothing."""

    channel: str = ""


@message_class
class ChannelEvent(Request):
    time_ms: Int64 = 0
    """Unix milliseconds."""
    channel: str = ""
    type: str = ""
    """``occupied`` or ``vacated``; there may be more."""


@message_class
class NotifyChannelStateRequest(Request):
    """Centrifugo PRO: a batch of events, repeated until it is answered without an error."""

    events: list[ChannelEvent] = field(default_factory=list)
