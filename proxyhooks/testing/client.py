""":class:`ProxyClient` calls the hooks of a Flask application in-process, as Centrifugo would for one client."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from flask import Flask
from flask.testing import FlaskClient

from .._dispatch.events import EVENTS
from .._flask.extension import hooks_of
from .._flask.installation import application_name
from .._settings.settings import load_secrets
from .._wire.log import rate_limited
from ..centrifugo.decisions import Decisions
from ..exceptions import Disconnect
from .caller import Caller
from .client_headers import ClientHeaders
from .configuration import decisions_maker
from .exchange import Exchange, disconnect_by_server, exchange_without_request
from .transport import NO_PAYLOAD, AppTransport, payload_bytes

__tracebackhide__ = True  # pytest then ends a traceback at the line of the test


class ProxyClient:
    """A client of Centrifugo, together with the Centrifugo between it and the application.

    ::

        client = ProxyClient(app)
        assert client.connect({"token": "..."}).allowed
        assert client.publish("chat:7", {"text": "hi"}).refused_with(errors.PermissionDenied)

    A request has exactly the fields and headers that the real server sends. Each call has contexts of its own, so it
    sees nothing of other calls or of contexts that the test has pushed. An exception that the application does not
    handle is raised from the call. A reply that Centrifugo would misread raises :class:`MisreadReply`.

    What Centrifugo decides without asking the application, the client decides in the same way. It does so under the
    configuration that ``flask centrifugo config`` writes for the hooks, or under yours.

    :param config: the configuration of Centrifugo: a file, or a dict with what is in it.
    :param namespaces: the namespaces that ``config`` defines with its option ``--namespace``.
    :param hooks: the name of the ``ProxyHooks``, if the application has several.
    :param urls: the URL of each event, for views of your own; all headers are then forwarded, and without *config*
        each event with a URL is on in every namespace.
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
    :raises ValueError: if Centrifugo would not forward a header, or if *config* cannot be read, or if Centrifugo
        refuses the name of one of *namespaces*.
    """

    def __init__(
        self,
        app: Flask,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        namespaces: Collection[str] = (),
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
        make_decisions = decisions_maker(config, namespaces, proxy_hooks, urls or {})
        if proxy_hooks is not None:
            urls = {event: f"{proxy_hooks.url_prefix}/{event}" for event in EVENTS}
        if secret is None:
            secrets = load_secrets(app.config, application_name(app), proxy_hooks and proxy_hooks._secrets)
            secret = next(iter(secrets.values), "")
        rate_limited.limit.reset()  # so that no warning of this client is left out for one of another test
        self._headers = ClientHeaders(headers or {}, emulated_headers or {}, cookies or {}, cookies_from, proxy_hooks)
        self._connect_fields = {"name": name, "version": version}
        self._connect_arguments: tuple[Any, Sequence[str]] = (NO_PAYLOAD, ())
        if include_connection_meta is None:
            include_connection_meta = proxy_hooks is not None and proxy_hooks._meta_schema is not None
        encoding = "binary" if binary_encoding else "json"
        self._caller = Caller(
            transport=AppTransport(app, urls or {}, secret),
            client_fields={"transport": transport, "protocol": protocol, "encoding": encoding},
            binary_encoding=binary_encoding,
            sends_meta=include_connection_meta,
            propagate_exceptions=propagate_exceptions,
            make_decisions=make_decisions,
        )
        self._state = self._caller.state

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
        return self._caller.now

    # What the client does

    def connect(self, data: Any = NO_PAYLOAD, *, channels: Sequence[str] = ()) -> Exchange:
        """Connect.

        :param data: JSON, or bytes.
        :param channels: server-side subscriptions that the client asks for.
        """
        if self.connected:
            raise RuntimeError("the client is connected already: use another ProxyClient for a second one")
        self._connect_arguments = (data, channels)
        self._caller.start_connection()
        self._caller.transport.headers = self._headers.at_connect()
        decided, more_channels = self._decisions.connect(channels)
        fields = {**self._connect_fields, "data": data, "channels": list(channels)}
        exchange = self._caller.call("connect", fields) if decided is None else exchange_without_request(decided)
        if exchange.allowed:
            user = (exchange.result or {}).get("user", "")
            self._state.connect(exchange, [*more_channels, *self._decisions.personal_channels(user)])
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
        """Subscribe without a token, with the ``subscription_type`` of the namespace."""
        self._require_connected()
        decided = self._decisions.subscribe(channel, self.user, self._state.subscriptions)
        exchange = self._caller.ask_unless(decided, "subscribe", {"channel": channel, "data": data})
        if exchange.allowed:
            self._state.subscribe(channel, exchange.result)
        return exchange

    def unsubscribe(self, channel: str) -> None:
        self._state.subscriptions.pop(channel, None)

    def publish(self, channel: str, data: Any = NO_PAYLOAD) -> Exchange:
        self._require_connected()
        decided = self._decisions.publish(channel, payload_bytes(data), self.user, self._state.subscriptions)
        return self._caller.ask_unless(decided, "publish", {"channel": channel, "data": data})

    def rpc(self, method: str, data: Any = NO_PAYLOAD) -> Exchange:
        self._require_connected()
        return self._caller.ask_unless(self._decisions.rpc(method), "rpc", {"method": method, "data": data})

    def map_publish(self, channel: str, key: str, data: Any = NO_PAYLOAD) -> Exchange:
        """Set a key of a map. Centrifugo v6.9.1 reports error 107 for an allowed change; here it is allowed."""
        return self._change_map("map_publish", channel, {"key": key, "data": data})

    def map_remove(self, channel: str, key: str) -> Exchange:
        """Remove a key of a map; as :meth:`map_publish`."""
        return self._change_map("map_remove", channel, {"key": key})

    def _change_map(
        self, event: Literal["map_publish", "map_remove"], channel: str, fields: dict[str, Any]
    ) -> Exchange:
        self._require_connected()
        subscribed = self._state.subscriptions
        decided = self._decisions.change_map(event, channel, fields["key"], self.user, subscribed)
        return self._caller.ask_unless(decided, event, {"channel": channel, **fields})

    # What Centrifugo does by itself

    def refresh(self) -> Exchange:
        """Refresh the connection now."""
        self._require_connected()
        return self._caller.extend("refresh")

    def sub_refresh(self, channel: str) -> Exchange:
        """Refresh a subscription now."""
        self._require_connected()
        if channel not in self._state.subscriptions:
            raise RuntimeError(f"the client is not subscribed to {channel!r}, but to {self.channels}")
        return self._caller.extend("sub_refresh", channel)

    def shared_poll_refresh(self, channel: str, keys: Mapping[str, int] | Sequence[str]) -> Exchange:
        """Poll keys; needs no connected client.

        :param keys: the keys; in a mapping, each with the version of it that Centrifugo has, 0 for none.
        """
        versions = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, 0)
        items = [{"key": key, **({"version": version} if version else {})} for key, version in versions.items()]
        return self._caller.call("shared_poll_refresh", {"channel": channel, "items": items})

    def cache_empty(self, channel: str) -> Exchange:
        """Report that the cache of a channel is empty (Centrifugo PRO); needs no connected client."""
        return self._caller.call("cache_empty", {"channel": channel})

    def state(self, events: Sequence[Mapping[str, Any]]) -> Exchange:
        """Report a batch of channel events (Centrifugo PRO); needs no connected client.

        :param events: each ``{"time_ms": ..., "channel": ..., "type": ...}``.
        """
        return self._caller.call("state", {"events": [dict(event) for event in events]})

    def advance(self, time: timedelta | None = None, /, **units: float) -> list[Exchange]:
        """Move the clock, as in ``advance(minutes=5)``. Return the refreshes and expiries that happen meanwhile.

        If the exchange says ``comes_back``, an SDK connects or subscribes again at once; this client does not.

        :param time: a timedelta, in place of *units*.
        :param units: the arguments of a timedelta.
        :raises TypeError: if *time* is no timedelta, such as a number, or if both are given.
        :raises ValueError: if the time is negative.
        """
        if time is not None and (units or not isinstance(time, timedelta)):
            wrong = f"{time!r} and {units}" if units else repr(time)
            raise TypeError(f"advance takes either a timedelta or units such as minutes=5, not {wrong}")
        seconds = (timedelta(**units) if time is None else time).total_seconds()
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        ahead_at_end, exchanges = self._caller.ahead + seconds, list[Exchange]()
        real_now = self.now - self._caller.ahead
        end = real_now + ahead_at_end
        while self.connected and (event := self._state.next_timed_event()) is not None and event.time <= end:
            # Rounded up, so that the second of the event has begun.
            self._caller.ahead = max(self._caller.ahead, math.ceil(event.time - real_now))
            exchanges.append(self.refresh() if event.channel is None else self.sub_refresh(event.channel))
        self._caller.ahead = max(ahead_at_end, self._caller.ahead)
        return exchanges

    def _require_connected(self) -> None:
        if not self.connected:
            raise RuntimeError("the client is not connected: connect() was not called or allowed, or the client left")

    @property
    def _decisions(self) -> Decisions:
        return self._caller.decisions
