"""The table of Centrifugo's proxy events: what each carries, and what it answers when refused, failed or silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from .. import errors, messages
from ..exceptions import Error


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    """As in the URL."""
    request: type[messages.Request]
    result: type[messages.Result]
    proxy: str
    """Where Centrifugo's configuration has the proxy that asks."""
    option: str = ""
    """Where a namespace has the switch for it; none: it is asked without one."""
    idempotent: bool = False
    """Whether a hook may safely run twice for one request."""
    pro: bool = False
    """Whether only Centrifugo PRO asks."""
    routed_on: Literal["channel", "method"] | None = None
    """The field that patterns are matched against."""
    request_has_data: bool = False
    """Whether requests bring ``data``."""
    result_has_data: bool = False
    """Whether results carry ``data`` that a ``result_schema`` may write."""
    result_reaches_client: bool = False
    """Whether bytes in results go to the client that asked, or to those around it."""
    unmatched: type[Error] | None = None
    """The refusal when hooks exist and none matches."""
    carries_error: bool = True
    carries_disconnect: bool = True
    refusal_result: dict[str, Any] | None = None
    """The result that says no, where a reply carries no error."""
    failure_is_grace: bool = False
    """Whether a failed call leaves the client for another minute: then a temporary refusal is HTTP 500."""
    default_result: dict[str, Any] | None = None
    """The result when a hook returns ``None``; where there is none, that is a mistake."""
    never_called_with: str = ""
    """A symbol whose channels Centrifugo does not ask about."""
    opens: Literal["connection", "subscription"] | None = None
    """What an allowed call opens; after a temporary error SDKs try again by themselves."""
    extends: Literal["connection", "subscription"] | None = None
    """What an allowed call extends; a reply without a result ends it."""
    subscription_type: Literal["map", "shared_poll"] | None = None
    """The ``subscription_type`` that a namespace needs for this event; ``None``: any."""

    @property
    def section(self) -> str:
        """The section of Centrifugo's configuration: ``client``, ``channel`` or ``rpc``."""
        return self.proxy.partition(".")[0]

    @property
    def proxy_name_option(self) -> str:
        """Where a namespace names the proxy that it uses in place of the default one."""
        return self.option.replace("_enabled", "_name")


_EVENTS: Final = (
    Event(
        name="connect",
        request=messages.ConnectRequest,
        result=messages.ConnectResult,
        proxy="client.proxy.connect",
        idempotent=True,
        request_has_data=True,
        result_reaches_client=True,
        opens="connection",
    ),
    Event(
        name="refresh",
        request=messages.RefreshRequest,
        result=messages.RefreshResult,
        proxy="client.proxy.refresh",
        idempotent=True,
        result_reaches_client=True,
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"expired": True},
        failure_is_grace=True,
        extends="connection",
    ),
    Event(
        name="subscribe",
        request=messages.SubscribeRequest,
        result=messages.SubscribeResult,
        proxy="channel.proxy.subscribe",
        option="subscribe_proxy_enabled",
        idempotent=True,
        routed_on="channel",
        request_has_data=True,
        result_reaches_client=True,
        unmatched=errors.UnknownChannel,
        never_called_with="#",
        opens="subscription",
    ),
    Event(
        name="sub_refresh",
        request=messages.SubRefreshRequest,
        result=messages.SubRefreshResult,
        proxy="channel.proxy.sub_refresh",
        option="sub_refresh_proxy_enabled",
        idempotent=True,
        routed_on="channel",
        unmatched=errors.UnknownChannel,
        result_reaches_client=True,
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"expired": True},
        failure_is_grace=True,
        extends="subscription",
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
        unmatched=errors.UnknownChannel,
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
        unmatched=errors.MethodNotFound,
    ),
    Event(
        name="map_publish",
        request=messages.MapPublishRequest,
        result=messages.MapPublishResult,
        proxy="channel.proxy.map_publish",
        option="map.publish_proxy_enabled",
        routed_on="channel",
        request_has_data=True,
        result_has_data=True,
        unmatched=errors.UnknownChannel,
        subscription_type="map",
    ),
    Event(
        name="map_remove",
        request=messages.MapRemoveRequest,
        result=messages.MapRemoveResult,
        proxy="channel.proxy.map_remove",
        option="map.remove_proxy_enabled",
        routed_on="channel",
        unmatched=errors.UnknownChannel,
        subscription_type="map",
    ),
    Event(
        name="shared_poll_refresh",
        request=messages.SharedPollRefreshRequest,
        result=messages.SharedPollRefreshResult,
        proxy="channel.proxy.shared_poll_refresh",
        idempotent=True,
        routed_on="channel",
        unmatched=errors.UnknownChannel,
        carries_disconnect=False,
        subscription_type="shared_poll",
    ),
    Event(
        name="cache_empty",
        request=messages.NotifyCacheEmptyRequest,
        result=messages.NotifyCacheEmptyResult,
        proxy="channel.proxy.cache_empty",
        option="cache_empty_proxy_enabled",
        pro=True,
        routed_on="channel",
        unmatched=errors.UnknownChannel,
        carries_error=False,
        carries_disconnect=False,
        refusal_result={"populated": False},
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
BY_MESSAGE: Final[dict[type, Event]] = {
    message: event for event in _EVENTS for message in (event.request, event.result)
}
