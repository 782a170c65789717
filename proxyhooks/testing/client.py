"""A client to test hooks with: :class:`ProxyClient` plays Centrifugo against a Flask application, in-process."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from flask import Flask
from flask.testing import FlaskClient

from .._dispatch.events import EVENTS
from .._dispatch.index import Index
from .._flask.extension import hooks_of
from .._settings.settings import load_secrets
from .._wire import clock
from .._wire.codes import DISCONNECTS, UNSUBSCRIBE_EXPIRED, disconnect_is_terminal
from ..centrifugo.judge import judge
from ..exceptions import Disconnect
from .connection import Connection, Due
from .exchange import Exchange, decide_locally, exchange_of, raise_if_misread
from .transport import ABSENT, AppTransport, body_of, compact, cookie_header, forwarded


class ProxyClient:
    """A client of Centrifugo, and the Centrifugo between it and the application.

    ::

        client = ProxyClient(app)
        assert client.connect({"token": "..."}).allowed
        assert client.publish("chat:7", {"text": "hi"}).refused_with(errors.PermissionDenied)

    Requests carry what the real server would send and nothing else. Every call has contexts of its own, so nothing of
    one client is seen in another, nor what a test has pushed. An exception that nobody in the application handles
    comes through; a reply that Centrifugo would misread is a :class:`MisreadReply`.

    :param hooks: which ``ProxyHooks``, by name, if the application has several.
    :param urls: the URL of each event, for plain views; then everything is forwarded that is given.
    :param secret: the value of the secret's header; by default the first that is accepted. ``""``: none.
    :param transport: ``websocket``, or one-way ``uni_sse``, ``uni_http_stream``, ``uni_websocket``, ...
    :param protocol: what the client speaks.
    :param headers: of its HTTP request; those that the hooks declare as ``http_headers`` can be given.
    :param emulated_headers: those that browser SDKs send with their ``headers`` option.
    :param cookies_from: a test client of Flask's: its cookies are sent, those of the moment of connect.
    :param binary_encoding: whether payloads travel as base64.
    :param include_connection_meta: whether requests bring the ``meta``; by default if there is a ``meta_schema``.
    :param propagate_exceptions: whether exceptions of hooks come through; else they become the 500 that they are.
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
        found = None if urls is not None else hooks_of(app, hooks)
        if found is not None:
            index = Index(found)
            self._served = {name for name, event in EVENTS.items() if index.serves(event)}
            urls = {event: f"{found.url_prefix}/{event}" for event in EVENTS}
        else:
            self._served = set(urls or ())
        if secret is None:
            secret = next(iter(load_secrets(app.config, found and found._secrets).values), "")
        self._transport = AppTransport(app, urls or {}, secret)
        self._listed = None if found is None else found.http_headers
        self._transport.headers |= forwarded(headers or {}, self._listed, "http_headers")
        emulated = None if found is None else found.emulated_headers
        self._transport.headers |= forwarded(emulated_headers or {}, emulated, "emulated_headers")
        self._cookies, self._cookies_from = dict(cookies or {}), cookies_from
        encoding = "binary" if binary_encoding else "json"
        self._about = {"transport": transport, "protocol": protocol, "encoding": encoding}
        self._name = {"name": name, "version": version}
        self._binary = binary_encoding
        self._meta = found is not None and found._meta_schema is not None
        if include_connection_meta is not None:
            self._meta = include_connection_meta
        self._propagate = propagate_exceptions
        self._ahead = 0.0
        self._connected_with: tuple[Any, Sequence[str]] = (ABSENT, ())
        self._id = ""
        self._connection = Connection(refreshes="refresh" in self._served, sub_refreshes="sub_refresh" in self._served)

    # What is known of the client.

    @property
    def connected(self) -> bool:
        return self._connection.connected

    @property
    def user(self) -> str:
        return self._connection.user

    @property
    def meta(self) -> Any:
        return self._connection.meta

    @property
    def channels(self) -> list[str]:
        """Those it is subscribed to, also by the server."""
        return list(self._connection.subscriptions)

    @property
    def expire_at(self) -> int:
        """Unix seconds; 0: never."""
        return self._connection.expire_at

    @property
    def now(self) -> float:
        """Unix seconds, by the clock that :meth:`advance` moves; it is also the hooks' where they say ``timedelta``."""
        with clock.ahead(self._ahead):
            return clock.now()

    # What a client does.

    def connect(self, data: Any = ABSENT, *, channels: Sequence[str] = ()) -> Exchange:
        """Connect.

        :param data: JSON, or bytes.
        :param channels: server-side subscriptions that the client wishes for.
        """
        if self.connected:
            raise RuntimeError("the client is connected already; a second one is another ProxyClient")
        self._connected_with = (data, channels)
        self._id = str(uuid.uuid4())
        cookies = cookie_header(self._cookies, self._cookies_from)
        if self._cookies or self._cookies_from is not None:
            self._transport.headers.pop("Cookie", None)  # of an earlier connection, from before a logout
        if cookies:
            self._transport.headers |= forwarded({"Cookie": cookies}, self._listed, "http_headers")
        step = self._ask("connect", {**self._name, "data": data, "channels": list(channels)})
        if step.allowed:
            self._connection.open(step)
        return step

    def reconnect(self) -> Exchange:
        """Connect again with the same data, after a disconnect or instead of the present connection."""
        self._connection.close()
        data, channels = self._connected_with
        return self.connect(data, channels=channels)

    def disconnect(self) -> None:
        self._connection.close()

    def server_disconnect(self, disconnect: type[Disconnect] | Disconnect | int) -> Exchange:
        """What the application's call of Centrifugo's API does: the client is disconnected; it may come back."""
        self._require_connected()
        if isinstance(disconnect, int):
            code, reason = disconnect, DISCONNECTS.get(disconnect, "")
        else:
            code, reason = disconnect.code, disconnect.reason
        self._connection.close()
        why = "the server's API was asked to"
        comes_back = not disconnect_is_terminal(code)
        return Exchange(
            event="connect", outcome="disconnected", code=code, reason=reason, comes_back=comes_back, why=why
        )

    def subscribe(self, channel: str, data: Any = ABSENT) -> Exchange:
        """Subscribe. What Centrifugo decides by itself it decides here too: names, ``$`` and ``#`` channels."""
        self._require_connected()
        if (decided := decide_locally(channel, self.user, self._connection.subscriptions)) is not None:
            if decided.allowed:
                self._connection.subscribe(channel, None)
            return decided
        step = self._ask("subscribe", {"channel": channel, "data": data})
        if step.allowed:
            self._connection.subscribe(channel, step.result)
        return self._applied(step)

    def unsubscribe(self, channel: str) -> None:
        self._connection.subscriptions.pop(channel, None)

    def publish(self, channel: str, data: Any = ABSENT) -> Exchange:
        self._require_connected()
        return self._applied(self._ask("publish", {"channel": channel, "data": data}))

    def rpc(self, method: str, data: Any = ABSENT) -> Exchange:
        self._require_connected()
        return self._applied(self._ask("rpc", {"method": method, "data": data}))

    def map_publish(self, channel: str, key: str, data: Any = ABSENT) -> Exchange:
        self._require_connected()
        return self._applied(self._ask("map_publish", {"channel": channel, "key": key, "data": data}))

    def map_remove(self, channel: str, key: str) -> Exchange:
        self._require_connected()
        return self._applied(self._ask("map_remove", {"channel": channel, "key": key}))

    # What Centrifugo does by itself.

    def refresh(self) -> Exchange:
        """Let the refresh happen now."""
        self._require_connected()
        return self._applied(self._ask("refresh", {}))

    def sub_refresh(self, channel: str) -> Exchange:
        """Let the refresh of a subscription happen now."""
        self._require_connected()
        if channel not in self._connection.subscriptions:
            raise RuntimeError(f"the client is not subscribed to {channel!r}, but to {self.channels}")
        return self._applied(self._ask("sub_refresh", {"channel": channel}), channel)

    def shared_poll_refresh(self, channel: str, keys: Mapping[str, int] | Sequence[str]) -> Exchange:
        """Poll keys, with the versions that are known if it is a dict; no client needs to be connected."""
        versions = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, 0)
        items = [{"key": key, **({"version": version} if version else {})} for key, version in versions.items()]
        return self._ask("shared_poll_refresh", {"channel": channel, "items": items}, client=False)

    def cache_empty(self, channel: str) -> Exchange:
        """Centrifugo PRO; no client needs to be connected."""
        return self._ask("cache_empty", {"channel": channel}, client=False)

    def state(self, events: Sequence[Mapping[str, Any]]) -> Exchange:
        """Centrifugo PRO: a batch of ``{"time_ms": ..., "channel": ..., "type": ...}``; needs no connected client."""
        return self._ask("state", {"events": [dict(event) for event in events]}, client=False)

    def advance(self, **time: float) -> list[Exchange]:
        """Move the clock: ``advance(minutes=5)``. What the server would do meanwhile happens, and is returned.

        :raises ValueError: if it would go back.
        """
        seconds = timedelta(**time).total_seconds()
        if seconds < 0:
            raise ValueError(f"the clock goes forward only, not by {seconds} s")
        end, happened = self._ahead + seconds, list[Exchange]()
        start = self.now - self._ahead
        while self.connected and (due := self._connection.due()) is not None and due.moment <= start + end:
            # Not before it, in the second in which it comes.
            self._ahead = max(self._ahead, math.ceil(due.moment - start))
            happened.append(self._happen(due))
        self._ahead = max(end, self._ahead)
        return happened

    def _happen(self, due: Due) -> Exchange:
        if due.asked:
            return self.refresh() if due.channel is None else self.sub_refresh(due.channel)
        why = f"expire_at has passed, and no {due.event} hook is there to be asked"
        if due.channel is None:
            code, reason = 3005, DISCONNECTS[3005]
        else:
            code, reason = UNSUBSCRIBE_EXPIRED, DISCONNECTS[3006]
        step = Exchange(event=due.event, outcome="expired", code=code, reason=reason, comes_back=True, why=why)
        return self._applied(step, due.channel)

    def _require_connected(self) -> None:
        if not self.connected:
            raise RuntimeError("the client is not connected: connect() was not called or not allowed, or it has ended")

    def _applied(self, step: Exchange, channel: str | None = None) -> Exchange:
        self._connection.apply(step, channel, int(self.now))
        return step

    def _ask(self, event: str, fields: dict[str, Any], client: bool = True) -> Exchange:
        if event not in self._transport.urls:
            raise LookupError(f"no URL is given for {event}: urls={{{event!r}: ...}}")
        if client:
            known = {"client": self._id, **self._about} | ({} if event == "connect" else {"user": self.user})
            if self._meta and event != "connect" and self.meta is not None:
                known["meta"] = self.meta
            fields = known | fields
        request = body_of(event, fields, self._binary)
        reply = self._transport.send(event, compact(request).encode(), self._ahead)
        if reply.error is not None and self._propagate:
            raise reply.error
        verdict = judge(
            event,
            reply.status,
            reply.body,
            protocol=self._about["protocol"],
            transport=self._about["transport"],
            request=request,
            now=self.now,
        )
        return raise_if_misread(exchange_of(verdict, request, reply))
