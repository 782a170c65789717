"""A backend that sends planned replies to Centrifugo, and clients that see what becomes of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.real_centrifugo.centrifugo_config import CHANNEL_EVENTS, POLL_SECRET
from tests.real_centrifugo.client import Client, Message

Planned = dict[str, tuple[int, bytes]]
"""Status and body of each planned reply, by event and name, such as ``"publish asked:7"``. See :class:`Backend`."""
Seen = tuple[Any, ...]
"""What a client sees: ``allowed``, ``refused`` or ``disconnected``, and the details."""

MAP_KEY = "k"
REPORTED = ("refused", 107, "bad request", False)
"""Centrifugo's reply to a client whose change of a map it has just carried out."""


class Backend(ThreadingHTTPServer):
    """Answers a request with the reply that is planned for it, or else with a result that allows it.

    A request has the name that its data is, or else its channel, or else its user.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.planned: Planned = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # Centrifugo was stopped, and its connections with it


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend
    disable_nagle_algorithm = True  # the body would wait 40 ms for the acknowledgement of the head

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        event = self.path.removeprefix("/")
        name = request.get("data") or request.get("channel") or request.get("user")
        status, body = self.server.planned.pop(f"{event} {name}", (200, b'{"result":{"user":"a"}}'))
        self.send_response(status)
        self.send_header("Content-Length", str(0 if status in (204, 304) else len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def configuration(port: int, url: str, log: Path) -> str:
    return json.dumps(
        {
            "http_server": {"address": "127.0.0.1", "port": port},
            "log": {"file": str(log)},
            "health": {"enabled": True},
            "usage_stats": {"disabled": True},
            "client": {
                "proxy": {event: {"enabled": True, "endpoint": f"{url}/{event}"} for event in ("connect", "refresh")},
                "channel_limit": 100_000,
                "presence_update_interval": "1s",
                "expired_sub_close_delay": "1ms",
            },
            "channel": {
                "proxy": {event: {"endpoint": f"{url}/{event}"} for event in CHANNEL_EVENTS},
                "without_namespace": {"publish_proxy_enabled": True, "allow_subscribe_for_client": True},
                "namespaces": [
                    {"name": "asked", "subscribe_proxy_enabled": True, "sub_refresh_proxy_enabled": True},
                    {
                        "name": "map",
                        "allow_subscribe_for_client": True,
                        "subscription_type": "map",
                        "map": {
                            "mode": "recoverable",
                            "key_ttl": "600s",
                            "publish_proxy_enabled": True,
                            "remove_proxy_enabled": True,
                        },
                    },
                    {
                        "name": "poll",
                        "allow_subscribe_for_client": True,
                        "subscription_type": "shared_poll",
                        "shared_poll": {"refresh_interval": "300ms"},
                    },
                ],
            },
            "shared_poll": {"hmac_secret_key": POLL_SECRET},
            "rpc": {"proxy": {"endpoint": f"{url}/rpc"}, "without_namespace": {"proxy_enabled": True}},
        }
    )


class Observer:
    """Plans replies, makes clients ask for them, and returns what the clients see."""

    def __init__(self, planned: Planned, address: str) -> None:
        self._planned, self._address = planned, address
        self._numbers = itertools.count()
        self._clients: dict[str, Client] = {}
        self.name = ""
        """The name of the last reply; also the data of a publication for which the reply has no data."""

    def client(self, role: str) -> Client:
        """A connected client; a new one if the last client of this role was disconnected."""
        found = self._clients.get(role)
        if found is None or found.closed is not None:
            if found is not None:
                found.close()
            found = self._clients[role] = Client(self._address)
            assert "connect" in found.ask("connect", data=None)
        return found

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def see(self, event: str, status: int, body: bytes, keys: set[str]) -> Seen:
        """Have Centrifugo ask for the event, answer with this reply, and return what clients see.

        :param keys: the keys of a map that the event may change.
        """
        namespace = "map" if event.startswith("map") else "asked"
        name = self.name = f"{namespace}:{next(self._numbers)}"
        self._keys = sorted({MAP_KEY, *keys})
        self._planned[f"{event} {name}"] = status, body
        seen: Seen = getattr(self, event)(name)
        assert f"{event} {name}" not in self._planned, f"{event} was not asked: {seen}"
        return seen

    def connect(self, name: str) -> Seen:
        client = Client(self._address)
        try:
            return seen_in(client.ask("connect", data=name), "connect")
        finally:
            client.close()

    def subscribe(self, name: str) -> Seen:
        return seen_in(self.client("asker").ask("subscribe", channel=name), "subscribe")

    def rpc(self, name: str) -> Seen:
        return seen_in(self.client("asker").ask("rpc", data=name), "rpc")

    def publish(self, name: str) -> Seen:
        # A channel of its own: versions and idempotency keys of other publications could suppress this one.
        listener, channel = self.client("listener"), name.replace(":", "-")
        assert "subscribe" in listener.ask("subscribe", channel=channel)
        seen = seen_in(self.client("asker").ask("publish", channel=channel, data=name), "publish")
        if seen[0] != "allowed":
            return seen
        # A publication in bytes disconnects listeners that use JSON; it was published all the same.
        pubs = self._published(channel, lambda pub: True)
        return ("allowed", pubs[0]["data"]) if pubs else ("allowed", "published in bytes")

    def _published(self, channel: str, until: Callable[[Message], bool], since: Message | None = None) -> list[Message]:
        """The publications in a channel up to the first that *until* accepts; none if they ended the listener.

        :param since: for a map, Centrifugo's reply to the listener's subscription.
        """
        listener = self._clients["listener"]
        pubs: list[Message] = []
        while not pubs or not until(pubs[-1]):
            while not listener.pushes and listener.closed is None:
                listener.receive()
            if listener.closed is not None:
                return []
            push = listener.pushes.popleft()
            if push["channel"] != channel:
                continue
            if "unsubscribe" in push and since is not None:
                # Rare (about 1 change of 10,000): Centrifugo asks the client to subscribe again. SDKs do, and recover.
                assert push["unsubscribe"] == {"code": 2500, "reason": "insufficient state"}, push
                pubs = self._recovered(channel, since)
            else:
                pubs.append(push["pub"])
        return pubs

    def _recovered(self, channel: str, since: Message) -> list[Message]:
        """All publications in a map since a subscription, by a new one; none if they ended the listener."""
        position = {"offset": since.get("offset", 0), "epoch": since["epoch"]}
        reply = self._clients["listener"].ask("subscribe", channel=channel, type=1, phase=0, recover=True, **position)
        if "closed" in reply:
            return []
        publications: list[Message] = reply["subscribe"]["publications"]
        return publications

    def map_publish(self, name: str) -> Seen:
        return self._change(name, {"data": name})

    def map_remove(self, name: str) -> Seen:
        asker = self.client("asker")
        planned = self._planned.pop(f"map_remove {name}")
        for key in self._keys:
            assert seen_in(asker.ask("publish", channel=name, type=1, key=key, data=None), "publish") == REPORTED
        self._planned[f"map_remove {name}"] = planned
        return self._change(name, {"removed": True})

    def _change(self, channel: str, change: Message) -> Seen:
        """What subscribers see of a change. The reply to the client that makes it says little, see :data:`REPORTED`."""
        listener, asker = self.client("listener"), self.client("asker")
        subscribed = listener.ask("subscribe", channel=channel, type=1, phase=2, limit=100)["subscribe"]
        told = seen_in(asker.ask("publish", channel=channel, type=1, key=MAP_KEY, **change), "publish")
        if told[0] == "disconnected":
            asker = self.client("asker")
        asker.ask("publish", channel=channel, type=1, key="the end", data=None)
        pubs = self._published(channel, lambda pub: bool(pub["key"] == "the end"), since=subscribed)
        if not pubs:
            return "allowed", "published in bytes"
        if len(pubs) == 1:
            return told
        assert (len(pubs), told) == (2, REPORTED)
        pub = pubs[0]
        return "allowed", pub["key"], pub.get("removed", False), pub.get("data"), pub.get("tags", {})


def seen_in(reply: dict[str, Any], event: str) -> Seen:
    if "closed" in reply:
        return "disconnected", *reply["closed"]
    if "error" in reply:
        error = reply["error"]
        return "refused", error.get("code", 0), error.get("message", ""), error.get("temporary", False)
    return "allowed", reply[event].get("data")
