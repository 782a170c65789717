"""The requests of Centrifugo, public as part of ``messages``."""

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
    except TypeError:  # before Python 3.13
        from typing_extensions import TypeVar

DataT = TypeVar("DataT", default=Any)
MetaT = TypeVar("MetaT", default=Any)


class Request:
    """Base of the requests of Centrifugo."""

    __slots__ = ()


@message_class
class ClientRequest(Request):
    """Base of the requests that concern one client's connection."""

    client: str = ""
    """The id of the connection, unique in the cluster."""
    transport: str = ""
    """Such as ``websocket``; the names of unidirectional transports start with ``uni_``."""
    protocol: Literal["json", "protobuf"] = "json"
    """The protocol between the client and Centrifugo."""
    encoding: Literal["json", "binary"] = "json"
    """How payloads travel: ``binary`` if the proxy has ``binary_encoding``."""

    @property
    def unidirectional(self) -> bool:
        """Whether the transport is unidirectional: an error on connect makes such a client reconnect."""
        return self.transport.startswith("uni_")


@message_class
class UserRequest(ClientRequest, Generic[MetaT]):
    """Base of the requests for a client that is connected."""

    user: str = ""
    """The user id of the connection, from the connect hook or a token; empty for an anonymous user."""
    meta: JsonOf[MetaT] = None  # type: ignore[assignment]  # null and absent both arrive as None
    """The meta of the connection, if the proxy has ``include_connection_meta``."""
    labels: dict[str, str] = field(default_factory=dict)
    """The labels of the connection; Centrifugo PRO only."""


@message_class
class ConnectRequest(ClientRequest, Generic[DataT]):
    """A client connects without a connection token."""

    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest
    """The payload that the client sent with the connect command."""
    name: str = ""
    """The name that the client gives for its SDK or application."""
    version: str = ""
    """The version of that SDK or application."""
    channels: list[str] = field(default_factory=list)
    """Channels that the client asks to be subscribed to. Check them before you copy any into the result."""


@message_class
class RefreshRequest(UserRequest[MetaT]):
    """A connection is about to expire."""


@message_class
class SubscribeRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    """A client subscribes to a channel."""

    channel: str = ""
    token: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class SubRefreshRequest(UserRequest[MetaT]):
    """A subscription is about to expire."""

    channel: str = ""


@message_class
class PublishRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    """A client publishes into a channel."""

    channel: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class RPCRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    """A client calls a method."""

    method: str = ""
    """Empty if the client gave no name."""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class MapPublishRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    """A client sets a key of a map."""

    channel: str = ""
    key: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]  # as in UserRequest


@message_class
class MapRemoveRequest(UserRequest[MetaT]):
    """A client removes a key of a map."""

    channel: str = ""
    key: str = ""


@message_class
class SharedPollRefreshItem(Request):
    """A key of a shared poll."""

    key: str = ""
    version: UInt64 = 0
    """The version that Centrifugo has; 0 if it has none yet."""


@message_class
class SharedPollRefreshRequest(Request):
    """Centrifugo polls keys for all clients that watch them."""

    channel: str = ""
    items: list[SharedPollRefreshItem] = field(default_factory=list)


@message_class
class NotifyCacheEmptyRequest(Request):
    """Centrifugo PRO: the cache of a channel is empty."""

    channel: str = ""


@message_class
class ChannelEvent(Request):
    """Centrifugo PRO: a channel has got its first subscriber, or lost its last one."""

    time_ms: Int64 = 0
    """Unix milliseconds."""
    channel: str = ""
    type: str = ""
    """``occupied`` or ``vacated``; later versions of Centrifugo may add others."""


@message_class
class NotifyChannelStateRequest(Request):
    """Centrifugo PRO: a batch of channel events, sent again until the reply has no error."""

    events: list[ChannelEvent] = field(default_factory=list)
