"""The table of Centrifugo's proxy events: what their requests contain, and what their replies can say.

A new event is one entry here, its two messages, and one decorator in :class:`proxyhooks.Hooks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from .. import errors, messages
from ..exceptions import Error


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A proxy event of Centrifugo."""

    name: str
    """The decorator of :class:`proxyhooks.Hooks`, and the last part of the URL."""
    request: type[messages.Request]
    result: type[messages.Result]
    proxy: str
    """The path of the event's proxy in Centrifugo's configuration."""
    option: str = ""
    """The namespace option that switches the event on; empty if there is none."""
    pro: bool = False
    """Whether only Centrifugo PRO sends the event."""

    # The request

    routed_on: Literal["channel", "method"] | None = None
    """The request field that patterns are matched against."""
    request_has_data: bool = False
    """Whether requests have a payload, ``data``, and decorators a ``data_schema``."""
    idempotent: bool = False
    """Whether a hook may run twice for one request without harm."""
    opens: Literal["connection", "subscription"] | None = None
    """What an allowed request opens. Client SDKs repeat such a request after a temporary error."""
    extends: Literal["connection", "subscription"] | None = None
    """What an allowed request extends. A reply without a result ends it."""
    subscription_type: Literal["map", "shared_poll"] | None = None
    """The ``subscription_type`` that a namespace needs for the event; None: any."""
    omits_anonymous_user: bool = False
    """Whether Centrifugo leaves out ``user`` for an anonymous user, instead of sending an empty id."""
    data_follows_meta: bool = False
    """Whether Centrifugo writes the payload after ``meta``, which is otherwise the last field."""

    # The reply

    result_has_data: bool = False
    """Whether results have a payload, ``data``, and decorators a ``result_schema``."""
    result_reaches_client: bool = False
    """Whether clients receive the payloads of the result: bytes must then be JSON for clients that speak JSON."""
    carries_error: bool = True
    """Whether Centrifugo reads an ``error`` in the reply."""
    carries_disconnect: bool = True
    """Whether Centrifugo reads a ``disconnect`` in the reply."""
    refusal_result: dict[str, Any] | None = None
    """The result that refuses, for an event whose replies carry no error."""
    failure_is_grace: bool = False
    """Whether the client stays for 60 s after a failed request. A temporary refusal is therefore sent as HTTP 500."""
    unmatched_error: type[Error] | None = None
    """The refusal if the event has hooks, but none for this channel or method."""
    default_result: dict[str, Any] | None = None
    """The result if a hook returns ``None``. Without a default, hooks must not return ``None``."""

    @property
    def section(self) -> str:
        """The section of Centrifugo's configuration: ``client``, ``channel`` or ``rpc``."""
        return self.proxy.partition(".")[0]

    @property
    def proxy_name_option(self) -> str:
        """The namespace option that names a proxy to be used in place of the default one; empty if there is none."""
        if self.subscription_type == "shared_poll":
            return "shared_poll.proxy_name"
        return self.option.replace("_enabled", "_name")


_EVENTS: Final = (
    Event(
        name="connect",
        request=messages.ConnectRequest,
        result=messages.ConnectResult,
        proxy="client.proxy.connect",
        request_has_data=True,
        idempotent=True,
        opens="connection",
        result_has_data=True,
        result_reaches_client=True,
    ),
    Event(
        name="refresh",
        request=messages.RefreshRequest,
        result=messages.RefreshResult,
        proxy="client.proxy.refresh",
        idempotent=True,
        extends="connection",
        result_reaches_client=True,
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"expired": True},
        failure_is_grace=True,
    ),
    Event(
        name="subscribe",
        request=messages.SubscribeRequest,
        result=messages.SubscribeResult,
        proxy="channel.proxy.subscribe",
        option="subscribe_proxy_enabled",
        routed_on="channel",
        request_has_data=True,
        idempotent=True,
        opens="subscription",
        data_follows_meta=True,
        result_has_data=True,
        result_reaches_client=True,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="sub_refresh",
        request=messages.SubRefreshRequest,
        result=messages.SubRefreshResult,
        proxy="channel.proxy.sub_refresh",
        option="sub_refresh_proxy_enabled",
        routed_on="channel",
        idempotent=True,
        extends="subscription",
        result_reaches_client=True,
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"expired": True},
        failure_is_grace=True,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="publish",
        request=messages.PublishRequest,
        result=messages.PublishResult,
        proxy="channel.proxy.publish",
        option="publish_proxy_enabled",
        routed_on="channel",
        request_has_data=True,
        result_has_data=True,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="rpc",
        request=messages.RPCRequest,
        result=messages.RPCResult,
        proxy="rpc.proxy",
        option="proxy_enabled",
        routed_on="method",
        request_has_data=True,
        result_has_data=True,
        result_reaches_client=True,
        unmatched_error=errors.MethodNotFound,
    ),
    Event(
        name="map_publish",
        request=messages.MapPublishRequest,
        result=messages.MapPublishResult,
        proxy="channel.proxy.map_publish",
        option="map.publish_proxy_enabled",
        routed_on="channel",
        request_has_data=True,
        subscription_type="map",
        omits_anonymous_user=True,
        result_has_data=True,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="map_remove",
        request=messages.MapRemoveRequest,
        result=messages.MapRemoveResult,
        proxy="channel.proxy.map_remove",
        option="map.remove_proxy_enabled",
        routed_on="channel",
        subscription_type="map",
        omits_anonymous_user=True,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="shared_poll_refresh",
        request=messages.SharedPollRefreshRequest,
        result=messages.SharedPollRefreshResult,
        proxy="channel.proxy.shared_poll_refresh",
        routed_on="channel",
        idempotent=True,
        subscription_type="shared_poll",
        carries_disconnect=False,
        unmatched_error=errors.UnknownChannel,
    ),
    Event(
        name="cache_empty",
        request=messages.NotifyCacheEmptyRequest,
        result=messages.NotifyCacheEmptyResult,
        proxy="channel.proxy.cache_empty",
        option="cache_empty_proxy_enabled",
        pro=True,
        routed_on="channel",
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"populated": False},
        unmatched_error=errors.UnknownChannel,
        default_result={"populated": False},
    ),
    Event(
        name="state",
        request=messages.NotifyChannelStateRequest,
        result=messages.NotifyChannelStateResult,
        proxy="channel.proxy.state",
        option="state_proxy_enabled",
        pro=True,
        carries_disconnect=False,
        default_result={},
    ),
)

EVENTS: Final[dict[str, Event]] = {event.name: event for event in _EVENTS}
EVENT_OF_MESSAGE: Final[dict[type, Event]] = {
    message: event for event in _EVENTS for message in (event.request, event.result)
}
"""The event of each request and result class."""
