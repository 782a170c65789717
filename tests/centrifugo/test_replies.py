"""The judge against the real Centrifugo: generated replies, what both make of them, and no disagreement.

``PROXYHOOKS_REPLIES=10000 pytest -s tests/centrifugo/test_replies.py`` compares as many, and prints how many of what.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.judge import judge
from proxyhooks.centrifugo.verdict import Verdict
from tests.centrifugo.client import PATIENCE, Client
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

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # Centrifugo was stopped, and its connections with it


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

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


@pytest.fixture(scope="module")
def planned(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Planned, str, Path]]:
    """What the backend is to answer, the address of the Centrifugo that asks it, and its log."""
    home, port = tmp_path_factory.mktemp("replies"), free_port()
    with Backend() as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        path = home / "config.json"
        path.write_text(_configuration(port, f"http://127.0.0.1:{backend.server_port}", home / "log"))
        with running([binary, "-c", str(path)], f"http://127.0.0.1:{port}/health", home / "out", env=environment()):
            yield backend.planned, f"127.0.0.1:{port}", home / "log"
        backend.shutdown()


def _configuration(port: int, url: str, log: Path) -> str:
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
                "proxy": {event: {"endpoint": f"{url}/{event}"} for event in ("subscribe", "publish", "sub_refresh")},
                "without_namespace": {"publish_proxy_enabled": True, "allow_subscribe_for_client": True},
                "namespaces": [{"name": "asked", "subscribe_proxy_enabled": True, "sub_refresh_proxy_enabled": True}],
            },
            "rpc": {"proxy": {"endpoint": f"{url}/rpc"}, "without_namespace": {"proxy_enabled": True}},
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
        self._planned[f"{event} {name}"] = status, body
        seen: Seen = getattr(self, event)(name)
        assert f"{event} {name}" not in self._planned, f"{event} was not asked: {seen}"
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


def test_the_judge_and_centrifugo_agree(planned: tuple[Planned, str, Path]) -> None:
    observer, replies = Observer(*planned[:2]), Replies(seed=COUNT)
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
    _report(counts, wrong)


def _report(counts: Counter[tuple[str, str]], wrong: list[str]) -> None:
    print(
        f"\n{counts.total()} replies:",
        *(f"{event}/{oddity} {count}" for (event, oddity), count in sorted(counts.items())),
    )
    assert not wrong, f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:20])
    if COUNT >= 10_000:
        assert min(counts.values()) >= 100


# What ends, or does not, when it has expired: many at a time, because each takes its seconds.

BATCH = 100


def _cases(event: str, count: int) -> Iterator[tuple[str, int, bytes]]:
    replies = Replies(seed=count)
    for oddity in itertools.islice(itertools.cycle(ODDITIES), count):
        base = {"expire_at": str(int(time.time()) + 3600)} if replies.random.random() < 0.8 else {}
        yield (oddity, *replies.make(event, oddity, base))


def _wait(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert done()


def test_they_agree_about_refreshes(planned: tuple[Planned, str, Path]) -> None:
    backend, address, log = planned
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    graces, failed = 0, log.read_text().count("error proxying refresh")
    for start in range(0, COUNT // 4, BATCH):
        cases = list(itertools.islice(_cases("refresh", COUNT // 4), start, min(start + BATCH, COUNT // 4)))
        clients = [Client(address) for _ in cases]
        names = [f"user-{start + number}" for number in range(len(cases))]
        for name, client, (_, status, body) in zip(names, clients, cases, strict=True):
            backend[f"refresh {name}"] = status, body
            soon = int(time.time()) + 2
            backend[f"connect {name}"] = 200, json.dumps({"result": {"user": name, "expire_at": soon}}).encode()
            assert "connect" in client.ask("connect", data=name)
        _wait(lambda names=names: not any(f"refresh {name}" in backend for name in names))  # type: ignore[misc]  # bound
        time.sleep(0.5)
        for client, (oddity, status, body) in zip(clients, cases, strict=True):
            verdict = judge("refresh", status, body)
            reply = client.ask("rpc", data="still there?")
            seen = reply.get("closed", "stays")
            ends = verdict.outcome in ("expired", "disconnected")
            wanted: Any = (verdict.code, verdict.reason) if ends else "stays"
            graces += verdict.outcome == "grace"
            counts["refresh", oddity] += 1
            if seen != wanted:
                wrong.append(f"refresh {oddity} {status} {body[:300]!r}\n  Centrifugo: {seen}\n  the judge:  {wanted}")
            client.close()
    assert log.read_text().count("error proxying refresh") - failed == graces
    _report(counts, wrong)


def test_they_agree_about_refreshes_of_subscriptions(planned: tuple[Planned, str, Path]) -> None:
    backend, address, log = planned
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    client = Client(address)
    assert "connect" in client.ask("connect", data=None)
    cases = list(_cases("sub_refresh", COUNT // 4))
    names = [f"asked:sub-{number}" for number in range(len(cases))]
    for name, (_, status, body) in zip(names, cases, strict=True):
        backend[f"sub_refresh {name}"] = status, body
        soon = int(time.time()) + 2
        backend[f"subscribe {name}"] = 200, json.dumps({"result": {"expire_at": soon}}).encode()
        assert "subscribe" in client.ask("subscribe", channel=name)
    _wait(lambda: not any(f"sub_refresh {name}" in backend for name in names))
    time.sleep(0.5)
    client.ask("rpc", data="what has come so far")
    ended = {push["channel"]: push["unsubscribe"]["code"] for push in client.pushes if "unsubscribe" in push}
    lines = [line for line in log.read_text().splitlines() if "error proxying sub refresh" in line]
    failed = {json.loads(line)["channel"] for line in lines}
    for name, (oddity, status, body) in zip(names, cases, strict=True):
        verdict = judge("sub_refresh", status, body)
        seen = "grace" if name in failed else ended.get(name, "stays")
        wanted = {"grace": "grace", "expired": verdict.code}.get(verdict.outcome, "stays")
        counts["sub_refresh", oddity] += 1
        if seen != wanted:
            wrong.append(f"sub_refresh {oddity} {status} {body[:300]!r}\n  Centrifugo: {seen}\n  the judge:  {wanted}")
    client.close()
    _report(counts, wrong)
