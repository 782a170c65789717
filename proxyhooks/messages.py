"""The messages of Centrifugo's proxy protocol, under Centrifugo's names: requests, results and their parts.

All messages are frozen dataclasses with keyword arguments.

A request has a default for every field, because every field may be missing on the wire. Absent and null payloads are
both ``None``. Fields that this version does not know are ignored.

A result checks its values when it is made, except JSON, which is checked when it is written. ``None`` leaves a field
out; :data:`NULL` is JSON null.

``data``, ``info`` and ``stream_data`` are JSON, or ``bytes``, which travel as base64 in Centrifugo's fields
``b64data``, ``b64info`` and ``b64stream_data``. Requests have bytes if the proxy has ``binary_encoding``.

``expire_at`` is an int of Unix seconds, an aware datetime, or a timedelta from now. A timedelta is shortened at random
by up to a tenth when it is written, so that clients that connect together do not refresh together. A result whose
``expire_at`` has passed is sent as the refusal :class:`proxyhooks.errors.Expired`.

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
