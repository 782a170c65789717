"""The messages of Centrifugo's proxy protocol, named as there: what it asks, and what a hook may answer.

All are frozen dataclasses with keyword arguments. In a **result** ``None`` means that a field is left out; JSON null
is written as :data:`NULL`. A value that Centrifugo could not read is refused when the result is made; JSON is checked
when it is written. In a **request** every field may be missing on the wire and has a default here; absent and null
both arrive as ``None``; fields this version does not know are ignored.

``data``, ``info`` and ``stream_data`` are one field each for what Centrifugo splits in two: JSON, or ``bytes``, which
travel as base64 (``b64data``). Requests bring bytes when the proxy has ``binary_encoding``.

``expire_at`` takes Unix seconds, an aware datetime, or a timedelta from now; a timedelta is shortened at random by up
to a tenth when it is written, so that what connected together does not refresh together. A moment that has passed
makes the reply a refusal, :class:`proxyhooks.errors.Expired`.

Source: Centrifugo's chapter "Proxy events to the backend".
"""

from __future__ import annotations

from ._wire.fields import NULL, ExpireAt
from ._wire.requests import (
    ChannelEvent,
    ClientRequest,
    ConnectRequest,
    MapPublishRequest,
    MapRemoveRequest,
    NotifyCacheEmptyRequest,
    NotifyChannelStateRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    RPCRequest,
    SharedPollRefreshItem,
    SharedPollRefreshRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UserRequest,
)
from ._wire.results import (
    ChannelsCapability,
    ConnectResult,
    FilterNode,
    MapPublishResult,
    MapRemoveResult,
    NotifyCacheEmptyResult,
    NotifyChannelStateResult,
    PublishResult,
    RefreshResult,
    Result,
    RPCResult,
    SharedPollRefreshResult,
    SharedPollRefreshResultItem,
    SubRefreshResult,
    SubscribeOptionOverride,
    SubscribeOptions,
    SubscribeResult,
)

__all__ = [
    "NULL",
    "ChannelEvent",
    "ChannelsCapability",
    "ClientRequest",
    "ConnectRequest",
    "ConnectResult",
    "ExpireAt",
    "FilterNode",
    "MapPublishRequest",
    "MapPublishResult",
    "MapRemoveRequest",
    "MapRemoveResult",
    "NotifyCacheEmptyRequest",
    "NotifyCacheEmptyResult",
    "NotifyChannelStateRequest",
    "NotifyChannelStateResult",
    "PublishRequest",
    "PublishResult",
    "RPCRequest",
    "RPCResult",
    "RefreshRequest",
    "RefreshResult",
    "Request",
    "Result",
    "SharedPollRefreshItem",
    "SharedPollRefreshRequest",
    "SharedPollRefreshResult",
    "SharedPollRefreshResultItem",
    "SubRefreshRequest",
    "SubRefreshResult",
    "SubscribeOptionOverride",
    "SubscribeOptions",
    "SubscribeRequest",
    "SubscribeResult",
    "UserRequest",
]
