""":class:`ProxyClient` calls the hooks of a Flask application in-process, as Centrifugo would for one client."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from flask import Flask
from flask.testing import FlaskClient

from .._dispatch.events import EVENTS
from .._flask.extension import hooks_of
from .._settings.settings import load_secrets
from .._wire import clock
from .._wire.log import rate_limited
from .._wire.requests import ClientRequest, UserRequest
from ..centrifugo.judge import judge
from ..exceptions import Disconnect
from .client_state import ClientState, TimedEvent
from .exchange import Exchange, decide_locally, disconnect_by_server, exchange_of, expire_locally, raise_if_misread
from .transport import NO_PAYLOAD, AppTransport, cookie_header, forwarded_headers, request_body, to_go_json


class ProxyClient:
    """A client of Centrifugo, together with the Centrifugo between it and the application.

    ::

        client = ProxyClient(app)
        assert client.connect({"token": "..."}).allowed
        assert client.publish("chat:7", {"text": "hi"}).refused_with(errors.PermissionDenied)

    A request has exactly the fields and headers that the real server sends. Each call has contexts of its own, so it
    sees nothing of other calls or of contexts that the test has pushed. An exception that the application does not
    handle is raised from the call. A reply that Centrifugo would misread raises :class:`MisreadReply`.

    :param hooks: the name of the ``ProxyHooks``, if the application has several.
    :param urls: the URL of each event, for views of your own; all headers are then forwarded.
    :param secret: the value of the secret header, by default the first accepted secret; ``""`` sends none.
    :param transport: ``websocket``, or a unidirectional one: ``uni_sse``, ``uni_http_stream``, ``uni_websocket``, ...
    :param protocol: the protocol that the client speaks.
    :param name: the ``name`` of the connect request: the SDK or application of the client.
    :param version: the ``version`` of the connect request.
    :param headers: the headers of the client's HTTP request; each must be declared in ``ProxyHooks(http_headers=)``.
    :param emulated_headers: the headers that a browser SDK sends with its ``headers`` option; each must be declared in
        ``ProxyHooks(emulated_headers=)``.
    :param cookies: the cookies of the header ``Cookie``.
    :param cookies_from: a test client of Flask, whose present cookies each connect sends too.
    :param binary_encoding: whether payloads are sent as base64.
    :param include_connection_meta: whether requests have the ``meta``; by default if there is a ``meta_schema``.
    :param propagate_exceptions: whether unhandled exceptions are raised; if not, the reply is the 500 that they cause.
    :raises LookupError: if the application has no such hooks.
    :raises TypeError: if it is no Flask application.
    :raises ValueError: if Centrifugo would not forward a header.
    """

    def __init__(
        self,
        app: Flask,
        *,
        hooks: str | None = None,
        urls: Mapping[str, str] | None = None,
        secret: str | None = None,
        transport: str = "websocket",
        protocol: Literal["json", "protobuf"] = "json",
        name: str = "js",
        version: str = "",
        headers: Mapping[str, str] | None = None,
        emulated_headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        cookies_from: FlaskClient | None = None,
        binary_encoding: bool = False,
        include_connection_meta: bool | None = None,
        propagate_exceptions: bool = True,
    ) -> None:
        if not isinstance(app, Flask):
            raise TypeError(f"app must be a Flask application, not {app!r}")
        proxy_hooks = None if urls is not None else hooks_of(app, hooks)
        if proxy_hooks is not None:
            index = proxy_hooks.index
            served = {name for name, event in EVENTS.items() if index.serves(event)}
            urls = {event: f"{proxy_hooks.url_prefix}/{event}" for event in EVENTS}
        else:
            served = set(urls or ())
        if secret is None:
            secret = next(iter(load_secrets(app.config, proxy_hooks and proxy_hooks._secrets).values), "")
        self._transport = AppTransport(app, urls or {}, secret)
        rate_limited.limit.reset()  # so that no warning of this client is left out for one of another test
        self._declared_headers = None if proxy_hooks is None else proxy_hooks.http_headers
        self._transport.headers |= forwarded_headers(headers or {}, self._declared_headers, "http_headers")
        emulated = None if proxy_hooks is None else proxy_hooks.emulated_headers
        self._transport.headers |= forwarded_headers(emulated_headers or {}, emulated, "emulated_headers")
        self._cookies, self._cookies_from = dict(cookies or {}), cookies_from
        encoding = "binary" if binary_encoding else "json"
        self._client_fields = {"transport": transport, "protocol": protocol, "encoding": encoding}
        self._connect_fields = {"name": name, "version": version}
        self._binary_encoding = binary_encoding
        self._sends_meta = proxy_hooks is not None and proxy_hooks._meta_schema is not None
        if include_connection_meta is not None:
            self._sends_meta = include_connection_meta
        self._propagate_exceptions = propagate_exceptions
        self._ahead = 0.0  # seconds that advance() has moved the clock
        self._connect_arguments: tuple[Any, Sequence[str]] = (NO_PAYLOAD, ())
        self._client_id = ""
        self._state = ClientState(has_refresh_proxy="refresh" in served, has_sub_refresh_proxy="sub_refresh" in served)

    # The state of the client

    @property
    def connected(self) -> bool:
        return self._state.connected

    @property
    def user(self) -> str:
        return self._state.user

    @property
    def meta(self) -> Any:
        return self._state.meta

    @property
    def channels(self) -> list[str]:
        """The channels that the client is subscribed to, by itself or by the server."""
        return list(self._state.subscriptions)

    @property
    def expire_at(self) -> int:
        """Unix seconds; 0: never."""
        return self._state.expire_at

    @property
    def now(self) -> float:
        """Unix seconds, by the clock that :meth:`advance` moves; results with a timedelta use it too."""
        with clock.ahead(self._ahead):
            return clock.now()

    # What the client does

    def connect(self, data: Any = NO_PAYLOAD, *, channels: Sequence[str] = ()) -> Exchange:
        """Connect.

        :param data: JSON, or bytes.
        :param channels: server-side subscriptions that the client asks for.
        """
        if self.connected:
            raise RuntimeError("the client is connected already: use another ProxyClient for a second one")
        self._connect_arguments = (data, channels)
        self._client_id = str(uuid.uuid4())
        cookies = cookie_header(self._cookies, self._cookies_from)
        if self._cookies or self._cookies_from is not None:
            self._transport.headers.pop("Cookie", None)  # of an earlier connection, such as before a logout
        if cookies:
            self._transport.headers |= forwarded_headers({"Cookie": cookies}, self._declared_headers, "http_headers")
        exchange = self._call("connect", {**self._connect_fields, "data": data, "channels": list(channels)})
        if exchange.allowed:
            self._state.connect(exchange)
        return exchange

    def reconnect(self) -> Exchange:
        """Connect again with the same data; ends the present connection, if any."""
        self._state.disconnect()
        data, channels = self._connect_arguments
        return self.connect(data, channels=channels)

    def disconnect(self) -> None:
        self._state.disconnect()

    def server_disconnect(self, disconnect: type[Disconnect] | Disconnect | int) -> Exchange:
        """Disconnect the client, as the application does with Centrifugo's server API."""
        self._require_connected()
        self._state.disconnect()
        return disconnect_by_server(disconnect)

    def subscribe(self, channel: str, data: Any = NO_PAYLOAD) -> Exchange:
        """Subscribe. Like Centrifugo, decide about invalid names and channels with ``$`` or ``#`` without a request."""
        self._require_connected()
        if (decided := decide_locally(channel, self.user, self._state.subscriptions)) is not None:
            if decided.allowed:
                self._state.subscribe(channel, None)
            return decided
        exchange = self._call("subscribe", {"channel": channel, "data": data})
        if exchange.allowed:
            self._state.subscribe(channel, exchange.result)
        return self._apply(exchange)

    def unsubscribe(self, channel: str) -> None:
        self._state.subscriptions.pop(channel, None)

    def publish(self, channel: str, data: Any = NO_PAYLOAD) -> Exchange:
        self._require_connected()
        return self._apply(self._call("publish", {"channel": channel, "data": data}))

    def rpc(self, method: str, data: Any = NO_PAYLOAD) -> Exchange:
        self._require_connected()
        return self._apply(self._call("rpc", {"method": method, "data": data}))

    def map_publish(self, channel: str, key: str, data: Any = NO_PAYLOAD) -> Exchange:
        self._require_connected()
        return self._apply(self._call("map_publish", {"channel": channel, "key": key, "data": data}))

    def map_remove(self, channel: str, key: str) -> Exchange:
        self._require_connected()
        return self._apply(self._call("map_remove", {"channel": channel, "key": key}))

    # What Centrifugo does by itself

    def refresh(self) -> Exchange:
        """Refresh the connection now."""
        self._require_connected()
        return self._apply(self._call("refresh", {}))

    def sub_refresh(self, channel: str) -> Exchange:
        """Refresh a subscription now."""
        self._require_connected()
        if channel not in self._state.subscriptions:
            raise RuntimeError(f"the client is not subscribed to {channel!r}, but to {self.channels}")
        return self._apply(self._call("sub_refresh", {"channel": channel}), channel)

    def shared_poll_refresh(self, channel: str, keys: Mapping[str, int] | Sequence[str]) -> Exchange:
        """Poll keys; needs no connected client.

        :param keys: the keys; in a mapping, each with the version of it that Centrifugo has, 0 for none.
        """
        versions = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, 0)
        items = [{"key": key, **({"version": version} if version else {})} for key, version in versions.items()]
        return self._call("shared_poll_refresh", {"channel": channel, "items": items})

    def cache_empty(self, channel: str) -> Exchange:
        """Report that the cache of a channel is empty (Centrifugo PRO); needs no connected client."""
        return self._call("cache_empty", {"channel": channel})

    def state(self, events: Sequence[Mapping[str, Any]]) -> Exchange:
        """Report a batch of channel events (Centrifugo PRO); needs no connected client.

        :param events: each ``{"time_ms": ..., "channel": ..., "type": ...}``.
        """
        return self._call("state", {"events": [dict(event) for event in events]})

    def advance(self, **time: float) -> list[Exchange]:
        """Move the clock, as in ``advance(minutes=5)``. Return the refreshes and expiries that happen meanwhile.

        :param time: the arguments of a timedelta.
        :raises ValueError: if it is negative.
        """
        seconds = timedelta(**time).total_seconds()
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        ahead_at_end, exchanges = self._ahead + seconds, list[Exchange]()
        real_now = self.now - self._ahead
        end = real_now + ahead_at_end
        while self.connected and (event := self._state.next_timed_event()) is not None and event.time <= end:
            # Rounded up, so that the second of the event has begun.
            self._ahead = max(self._ahead, math.ceil(event.time - real_now))
            exchanges.append(self._run(event))
        self._ahead = max(ahead_at_end, self._ahead)
        return exchanges

    def _run(self, event: TimedEvent) -> Exchange:
        if event.calls_application:
            return self.refresh() if event.channel is None else self.sub_refresh(event.channel)
        return self._apply(expire_locally(event.event), event.channel)

    def _require_connected(self) -> None:
        if not self.connected:
            raise RuntimeError(
                "the client is not connected: connect() was not called or not allowed, or the client left"
            )

    def _apply(self, exchange: Exchange, channel: str | None = None) -> Exchange:
        self._state.apply(exchange, channel, int(self.now))
        return exchange

    def _call(self, event: str, fields: Mapping[str, Any]) -> Exchange:
        """Send a request with these fields and those of the client. Return Centrifugo's verdict on the reply."""
        if event not in self._transport.urls:
            raise LookupError(f"no URL is given for {event}: pass urls={{{event!r}: ...}}")
        request_class, of_client = EVENTS[event].request, dict[str, Any]()
        if issubclass(request_class, ClientRequest):
            of_client |= {"client": self._client_id, **self._client_fields}
        if issubclass(request_class, UserRequest):
            of_client["user"] = self.user
            if self._sends_meta and self.meta is not None:
                of_client["meta"] = self.meta
        request = request_body(event, of_client | dict(fields), self._binary_encoding)
        response = self._transport.send(event, to_go_json(request).encode(), self._ahead)
        if response.error is not None and self._propagate_exceptions:
            raise response.error
        verdict = judge(
            event,
            response.status,
            response.body,
            protocol=self._client_fields["protocol"],
            transport=self._client_fields["transport"],
            request=request,
            now=self.now,
        )
        return raise_if_misread(exchange_of(verdict, request, response))
