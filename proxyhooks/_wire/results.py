"""What a hook answers, and the parts of an answer. Public as part of ``messages``."""

from __future__ import annotations

from typing import Any, Literal

from .fields import NULL, BoxedBool, Expiry, Int64, JsonOf, Null, PayloadOf, UInt64, check_message, message_class


class Result:
    """Base of what a hook answers, and of the parts of an answer."""

    __slots__ = ()

    def __post_init__(self) -> None:
        check_message(self)


@message_class
class ChannelsCapability(Result):
    """Centrifugo PRO: what a connection may do in channels."""

    channels: list[str]
    allow: list[Literal["sub", "pub", "prs", "hst"]]
    match: Literal["", "wildcard", "regex"] | None = None


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
    """Options of the namespace to be overridden for one subscription."""

    presence: BoxedBool | None = None
    join_leave: BoxedBool | None = None
    force_recovery: BoxedBool | None = None
    force_positioning: BoxedBool | None = None
    force_push_join_leave: BoxedBool | None = None


@message_class
class SubscribeOptions(Result):
    """A server-side subscription in a connect result."""

    expire_at: Expiry | None = None
    info: PayloadOf[Any] = None
    data: PayloadOf[Any] = None
    override: SubscribeOptionOverride | None = None
    server_tags_filter: FilterNode | None = None
    cache_recover: bool = False


@message_class
class ConnectResult(Result):
    """Let the client in."""

    user: str
    """The user's id; ``""`` is an anonymous user."""
    expire_at: Expiry | None = None
    """When the refresh hook is asked; ``None``: never."""
    info: PayloadOf[Any] = None
    """What others see of the connection in presence, join and publications."""
    data: PayloadOf[Any] = None
    """What the client gets with the reply."""
    channels: list[str] | None = None
    """Server-side subscriptions; an unknown namespace fails the whole connect."""
    subs: dict[str, SubscribeOptions] | None = None
    """Server-side subscriptions with options."""
    meta: JsonOf[Any] = None
    """What later requests of this connection bring along, unseen by the client."""
    caps: list[ChannelsCapability] | None = None
    labels: dict[str, str] | None = None


@message_class
class RefreshResult(Result):
    """Prolong the connection with ``expire_at``, or end it with ``expired=True``: one of the two."""

    expired: bool = False
    expire_at: Expiry | None = None
    info: PayloadOf[Any] = None
    meta: JsonOf[Any] = None
    """New meta; ``None`` keeps what there is."""
    caps: list[ChannelsCapability] | None = None

    def __post_init__(self) -> None:
        check_message(self)
        if self.expired is (self.expire_at is not None):
            raise ValueError("RefreshResult needs one of expire_at=... and expired=True, neither both nor none")


@message_class
class SubscribeResult(Result):
    """Let the client subscribe."""

    expire_at: Expiry | None = None
    """When the sub_refresh hook is asked; ``None``: never."""
    info: PayloadOf[Any] = None
    data: PayloadOf[Any] = None
    """What the client gets with the reply."""
    override: SubscribeOptionOverride | None = None
    allow: list[Literal["sub", "pub", "prs", "hst"]] | None = None
    server_tags_filter: FilterNode | None = None


@message_class
class PublishResult(Result):
    """Let the publication through, as it is or changed."""

    data: PayloadOf[Any] = None
    """What is published instead; ``None``: what the client sent."""
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
    data: PayloadOf[Any] = None


@message_class
class MapPublishResult(Result):
    """Let the key be set, as the client asked or changed."""

    key: str | None = None
    data: PayloadOf[Any] = None
    """What is stored instead; ``None``: what the client sent."""
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
    """Let the key be removed."""

    key: str | None = None
    tags: dict[str, str] | None = None
    idempotency_key: str | None = None


@message_class
class SubRefreshResult(Result):
    """Prolong the subscription with ``expire_at`` (``None``: for ever), or end it with ``expired=True``."""

    expired: bool = False
    expire_at: Expiry | None = NULL  # type: ignore[assignment]  # not given; None says "never again" in so many words
    info: PayloadOf[Any] = None

    def __post_init__(self) -> None:
        given = not isinstance(self.expire_at, Null)
        if not given:
            object.__setattr__(self, "expire_at", None)
        check_message(self)
        if (self.expired and self.expire_at is not None) or not (self.expired or given):
            raise ValueError(
                "SubRefreshResult needs one of expire_at=... and expired=True, neither both nor none; "
                "expire_at=None: never expires again"
            )


@message_class
class SharedPollRefreshResultItem(Result):
    key: str
    data: JsonOf[Any] = None
    version: UInt64 | None = None
    removed: bool = False
    prev_data: JsonOf[Any] = None


@message_class
class SharedPollRefreshResult(Result):
    items: list[SharedPollRefreshResultItem]
    epoch: str | None = None


@message_class
class NotifyCacheEmptyResult(Result):
    populated: bool = False
    """Whether the application has filled the cache."""


@message_class
class NotifyChannelStateResult(Result):
    """The batch is taken."""


def _check_replacement(path: str, data: object) -> None:
    if data == b"" and isinstance(data, bytes):
        # Centrifugo takes empty base64 for an absent field, and would publish what the client sent.
        raise ValueError(f"{path} must not be empty bytes: Centrifugo would keep the client's own data")
