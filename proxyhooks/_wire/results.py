"""The results of hooks and their parts, public as part of ``messages``."""

from __future__ import annotations

from typing import Any, Literal

from .fields import NULL, BoxedBool, Expiry, Int64, JsonOf, Null, PayloadOf, UInt64, message_class
from .validation import check_message


class Result:
    """Base of the results of hooks and of their parts."""

    __slots__ = ()

    def __post_init__(self) -> None:
        check_message(self)


@message_class
class ChannelsCapability(Result):
    """Centrifugo PRO: what a connection may do in some channels."""

    channels: list[str]
    allow: list[Literal["sub", "pub", "prs", "hst"]]
    """Subscribe, publish, ask for presence, ask for history."""
    match: Literal["", "wildcard", "regex"] | None = None
    """How *channels* are compared; by default as they are written."""


@message_class
class FilterNode(Result):
    """A filter over the tags of publications: a comparison, or ``op`` over ``nodes``."""

    op: Literal["", "and", "or", "not"] | None = None
    key: str | None = None
    cmp: Literal["eq", "neq", "in", "nin", "ex", "nex", "sw", "ew", "ct", "lt", "lte", "gt", "gte"] | None = None
    val: str | None = None
    vals: list[str] | None = None
    nodes: list[FilterNode] | None = None


@message_class
class SubscribeOptionOverride(Result):
    """Options of the namespace that one subscription overrides; ``None`` leaves an option as it is."""

    presence: BoxedBool | None = None
    join_leave: BoxedBool | None = None
    force_recovery: BoxedBool | None = None
    force_positioning: BoxedBool | None = None
    force_push_join_leave: BoxedBool | None = None


@message_class
class SubscribeOptions(Result):
    """A server-side subscription in a connect result."""

    expire_at: Expiry | None = None
    """Centrifugo v6.9.1 ignores it: the subscription never expires."""
    info: PayloadOf[Any] = None
    """What other clients see of the subscription in presence, join and leave messages."""
    data: PayloadOf[Any] = None
    """What the client receives with the subscription."""
    override: SubscribeOptionOverride | None = None
    server_tags_filter: FilterNode | None = None
    """The client receives only publications whose tags match."""
    cache_recover: bool = False


@message_class
class ConnectResult(Result):
    """Let the client in."""

    user: str
    """The user id; ``""`` is an anonymous user."""
    expire_at: Expiry | None = None
    """When Centrifugo calls the refresh hook; ``None`` is never."""
    info: PayloadOf[Any] = None
    """What other clients see of the connection in presence, join and leave messages, and publications."""
    data: PayloadOf[Any] = None
    """What the client receives with the connect reply."""
    channels: list[str] | None = None
    """Server-side subscriptions. A channel of an unknown namespace fails the whole connect."""
    subs: dict[str, SubscribeOptions] | None = None
    """Server-side subscriptions with options."""
    meta: JsonOf[Any] = None
    """What later requests for this connection carry as their meta; the client never sees it."""
    caps: list[ChannelsCapability] | None = None
    """Centrifugo PRO only."""
    labels: dict[str, str] | None = None
    """What later requests for this connection carry as their labels; Centrifugo PRO only."""


@message_class
class RefreshResult(Result):
    """Extend the connection with ``expire_at``, or end it with ``expired=True``; exactly one of them."""

    expired: bool = False
    expire_at: Expiry | None = None
    info: PayloadOf[Any] = None
    meta: JsonOf[Any] = None
    """Replaces the meta of the connection; ``None`` keeps it."""
    caps: list[ChannelsCapability] | None = None
    """Centrifugo PRO only."""

    def __post_init__(self) -> None:
        check_message(self)
        if self.expired is (self.expire_at is not None):
            raise ValueError("RefreshResult needs exactly one of expire_at=... and expired=True")


@message_class
class SubscribeResult(Result):
    """Let the client subscribe."""

    expire_at: Expiry | None = None
    """When Centrifugo calls the sub_refresh hook; ``None`` is never."""
    info: PayloadOf[Any] = None
    """What other clients see of the subscription in presence, join and leave messages."""
    data: PayloadOf[Any] = None
    """What the client receives with the subscribe reply."""
    override: SubscribeOptionOverride | None = None
    allow: list[Literal["sub", "pub", "prs", "hst"]] | None = None
    """Centrifugo PRO only, as in :class:`ChannelsCapability`."""
    server_tags_filter: FilterNode | None = None
    """The client receives only publications whose tags match."""


@message_class
class PublishResult(Result):
    """Publish what the client sent, or other data."""

    data: PayloadOf[Any] = None
    """What is published instead; ``None`` is what the client sent, or with ``publish_loaded`` what was loaded of it."""
    skip_history: bool = False
    tags: dict[str, str] | None = None
    idempotency_key: str | None = None
    delta: bool = False
    version: UInt64 | None = None
    version_epoch: str | None = None

    def __post_init__(self) -> None:
        _check_replacement("PublishResult.data", self.data)
        check_message(self)


@message_class
class RPCResult(Result):
    """Answer the call."""

    data: PayloadOf[Any] = None


@message_class
class MapPublishResult(Result):
    """Set the key to what the client sent, or to other data."""

    key: str | None = None
    """The key that is set instead; ``None`` is the key of the request."""
    data: PayloadOf[Any] = None
    """What is stored instead; ``None`` is what the client sent, or with ``publish_loaded`` what was loaded of it."""
    tags: dict[str, str] | None = None
    score: Int64 | None = None
    key_mode: Literal["", "if_new", "if_exists"] | None = None
    stream_data: PayloadOf[Any] = None
    idempotency_key: str | None = None
    delta: bool = False
    version: UInt64 | None = None
    version_epoch: str | None = None

    def __post_init__(self) -> None:
        _check_replacement("MapPublishResult.data", self.data)
        check_message(self)


@message_class
class MapRemoveResult(Result):
    """Remove the key."""

    key: str | None = None
    """The key that is removed instead; ``None`` is the key of the request."""
    tags: dict[str, str] | None = None
    idempotency_key: str | None = None


@message_class
class SubRefreshResult(Result):
    """Extend the subscription with ``expire_at`` (``None`` is for ever), or end it with ``expired=True``."""

    expired: bool = False
    expire_at: Expiry | None = NULL  # type: ignore[assignment]  # the default, since None means "never expires"
    info: PayloadOf[Any] = None

    def __post_init__(self) -> None:
        has_expire_at = not isinstance(self.expire_at, Null)
        if not has_expire_at:
            object.__setattr__(self, "expire_at", None)
        check_message(self)
        if (self.expired and self.expire_at is not None) or not (self.expired or has_expire_at):
            raise ValueError(
                "SubRefreshResult needs exactly one of expire_at=... and expired=True; "
                "with expire_at=None the subscription never expires again"
            )


@message_class
class SharedPollRefreshResultItem(Result):
    """The state of one key."""

    key: str
    data: JsonOf[Any] = None
    version: UInt64 | None = None
    removed: bool = False
    prev_data: JsonOf[Any] = None


@message_class
class SharedPollRefreshResult(Result):
    """The keys that have changed."""

    items: list[SharedPollRefreshResultItem]
    epoch: str | None = None


@message_class
class NotifyCacheEmptyResult(Result):
    """The notification was received."""

    populated: bool = False
    """Whether the application has filled the cache."""


@message_class
class NotifyChannelStateResult(Result):
    """The batch was processed."""


def _check_replacement(path: str, data: object) -> None:
    if data == b"" and isinstance(data, bytes):
        # Centrifugo reads empty base64 as an absent field, and would use what the client sent.
        raise ValueError(f"{path} must not be empty bytes: Centrifugo would use the data of the client instead")
