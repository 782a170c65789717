"""The judge against the real Centrifugo: generated replies, what both make of them, and no disagreement.

``PROXYHOOKS_REPLIES=10000 pytest -s tests/centrifugo/test_replies.py`` compares as many, and prints how many of what.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.judge import judge
from proxyhooks.centrifugo.verdict import Verdict
from tests.centrifugo.client import Client
from tests.centrifugo.replies import ODDITIES, Replies
from tests.centrifugo.servers import environment, free_port, running

COUNT = int(os.environ.get("PROXYHOOKS_REPLIES", "800"))
EVENTS = ("connect", "subscribe", "publish", "rpc")

Planned = dict[str, tuple[int, bytes]]
Seen = tuple[Any, ...]


class Backend(ThreadingHTTPServer):
    """Answers a request with what is planned for the name that it carries, and everything else with consent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.planned: Planned = {}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = request.get("data") or request.get("channel")
        status, body = self.server.planned.pop(name, (200, b'{"result":{"user":"a"}}'))
        self.send_response(status)
        self.send_header("Content-Length", str(0 if status in (204, 304) else len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def planned(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Planned, str]]:
    """What the backend is to answer, and the address of the Centrifugo that asks it."""
    home, port = tmp_path_factory.mktemp("replies"), free_port()
    with Backend() as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        path = home / "config.json"
        path.write_text(_configuration(port, f"http://127.0.0.1:{backend.server_port}", home / "log"))
        with running([binary, "-c", str(path)], f"http://127.0.0.1:{port}/health", home / "out", env=environment()):
            yield backend.planned, f"127.0.0.1:{port}"
        backend.shutdown()


def _configuration(port: int, url: str, log: Path) -> str:
    return json.dumps(
        {
            "http_server": {"address": "127.0.0.1", "port": port},
            "log": {"file": str(log)},
            "health": {"enabled": True},
            "usage_stats": {"disabled": True},
            "client": {"proxy": {"connect": {"enabled": True, "endpoint": url}}, "channel_limit": 100_000},
            "channel": {
                "proxy": {"subscribe": {"endpoint": url}, "publish": {"endpoint": url}},
                "without_namespace": {"publish_proxy_enabled": True, "allow_subscribe_for_client": True},
                "namespaces": [{"name": "asked", "subscribe_proxy_enabled": True}],
            },
            "rpc": {"proxy": {"endpoint": url}, "without_namespace": {"proxy_enabled": True}},
        }
    )


class Observer:
    """Sends what is planned, and tells what came of it."""

    def __init__(self, planned: Planned, address: str) -> None:
        self._planned, self._address = planned, address
        self._numbers = itertools.count()
        self._clients: dict[str, Client] = {}
        self.name = ""
        """Under which the last one was sent, and what a publication without data of its own carries."""

    def client(self, role: str) -> Client:
        """One that is let in, as long as it lasts."""
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

    def see(self, event: str, status: int, body: bytes) -> Seen:
        name = self.name = f"asked:{next(self._numbers)}"
        self._planned[name] = status, body
        seen: Seen = getattr(self, event)(name)
        assert name not in self._planned, f"{event} was not asked: {seen}"
        return seen

    def connect(self, name: str) -> Seen:
        client = Client(self._address)
        try:
            return _seen(client.ask("connect", data=name), "connect")
        finally:
            client.close()

    def subscribe(self, name: str) -> Seen:
        return _seen(self.client("asker").ask("subscribe", channel=name), "subscribe")

    def rpc(self, name: str) -> Seen:
        return _seen(self.client("asker").ask("rpc", data=name), "rpc")

    def publish(self, name: str) -> Seen:
        # A channel of its own, or versions and idempotency keys of others would keep it back.
        listener, channel = self.client("listener"), name.replace(":", "-")
        assert "subscribe" in listener.ask("subscribe", channel=channel)
        seen = _seen(self.client("asker").ask("publish", channel=channel, data=name), "publish")
        if seen[0] != "allowed":
            return seen
        # What bytes do to listeners that speak JSON is not the reply's fate: it was published.
        while not listener.pushes and listener.closed is None:
            listener._receive()
        return (
            ("allowed", "published in bytes") if listener.closed else ("allowed", listener.next_push()["pub"]["data"])
        )


def _seen(reply: dict[str, Any], event: str) -> Seen:
    if "closed" in reply:
        return "disconnected", *reply["closed"]
    if "error" in reply:
        error = reply["error"]
        return "refused", error.get("code", 0), error.get("message", ""), error.get("temporary", False)
    return "allowed", reply[event].get("data")


def expected(verdict: Verdict, name: Any) -> Seen:
    """What the judge says that will be seen."""
    match verdict.outcome:
        case "disconnected":
            if verdict.code == 3000 or len(verdict.reason or "") > 123:
                return ("disconnected",)
            return "disconnected", verdict.code, verdict.reason
        case "refused" | "internal_error":
            return "refused", verdict.code, verdict.message, verdict.temporary
        case "allowed":
            data = (verdict.result or {}).get("data", name)
            if isinstance(data, bytes):
                try:
                    data = json.loads(data)
                except ValueError:
                    data = "published in bytes"
            return "allowed", data
    raise AssertionError(verdict)


def test_the_judge_and_centrifugo_agree(planned: tuple[Planned, str]) -> None:
    observer, replies = Observer(*planned), Replies(seed=COUNT)
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    cases = itertools.cycle(itertools.product(EVENTS, ODDITIES))
    for event, oddity in itertools.islice(cases, COUNT):
        base = {"user": '"a"'} if event == "connect" else {}
        status, body = replies.make(event, oddity, base)
        verdict = judge(event, status, body)
        seen = observer.see(event, status, body)
        wanted = expected(verdict, observer.name if event == "publish" else None)
        counts[event, oddity] += 1
        if seen[: len(wanted)] != wanted:
            wrong.append(f"{event} {oddity} {status} {body[:300]!r}\n  Centrifugo: {seen}\n  the judge:  {wanted}")
    observer.close()
    print(f"\n{COUNT} replies:", *(f"{event}/{oddity} {count}" for (event, oddity), count in sorted(counts.items())))
    assert not wrong, f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:20])
    if COUNT >= 10_000:
        assert min(counts.values()) >= 100
