"""The judge and the real Centrifugo agree about generated replies.

``PROXYHOOKS_REPLIES=10000 pytest -s tests/real_centrifugo/test_replies.py`` compares 10,000 replies, and prints how
many of each kind there were.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from proxyhooks.centrifugo.judge import judge
from proxyhooks.centrifugo.replies.verdict import Verdict
from tests.real_centrifugo.client import Client, ask_to_track, track
from tests.real_centrifugo.observer import MAP_KEY, Backend, Observer, Planned, Seen, configuration
from tests.real_centrifugo.replies import ODDITIES, Replies
from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port
from tests.support.waiting import wait_until

COUNT = int(os.environ.get("PROXYHOOKS_REPLIES", "800"))
EVENTS = ("connect", "subscribe", "publish", "rpc", "map_publish", "map_remove")


@dataclass
class Pair:
    """A backend with planned replies, and the Centrifugo that asks it."""

    planned: Planned
    address: str
    """Of Centrifugo."""
    log: Path
    """Of Centrifugo."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with _running_pair(tmp_path_factory.mktemp("replies")) as pair:
        yield pair


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    """A :class:`Pair` for a single test."""
    with _running_pair(tmp_path) as pair:
        yield pair


@contextmanager
def _running_pair(home: Path) -> Iterator[Pair]:
    port = free_port()
    with Backend() as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        path = home / "config.json"
        path.write_text(configuration(port, f"http://127.0.0.1:{backend.server_port}", home / "log"))
        with running_centrifugo(path, port, home / "out"):
            yield Pair(backend.planned, f"127.0.0.1:{port}", home / "log")
        backend.shutdown()


def expected(verdict: Verdict, name: Any) -> Seen:
    """What clients see according to the judge.

    :param name: the data of a publication for which the reply has no data.
    """
    match verdict.outcome:
        case "disconnected":
            if verdict.code == 3000 or len(verdict.reason or "") > 123:
                return ("disconnected",)
            return "disconnected", verdict.code, verdict.reason
        case "refused" | "internal_error":
            return "refused", verdict.code, verdict.message, verdict.temporary
        case "allowed" if verdict.event == "map_remove":
            result = verdict.result or {}
            return "allowed", result.get("key") or MAP_KEY, True, None, result.get("tags", {})
        case "allowed":
            data = (verdict.result or {}).get("data", name)
            if isinstance(data, bytes):
                try:
                    data = json.loads(data)
                except ValueError:
                    return "allowed", "published in bytes"
            if verdict.event == "map_publish":
                result = verdict.result or {}
                return "allowed", result.get("key") or MAP_KEY, False, data, result.get("tags", {})
            return "allowed", data
    raise AssertionError(verdict)


def test_the_judge_and_centrifugo_agree(pair: Pair) -> None:
    observer, replies = Observer(pair.planned, pair.address), Replies(seed=COUNT)
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    cases = itertools.cycle(itertools.product(EVENTS, ODDITIES))
    for event, oddity in itertools.islice(cases, COUNT):
        base = {"user": '"a"'} if event == "connect" else {}
        status, body = replies.make(event, oddity, base)
        verdict = judge(event, status, body)
        seen = observer.see(event, status, body, {(verdict.result or {}).get("key") or MAP_KEY})
        wanted = expected(verdict, observer.name if event in ("publish", "map_publish") else None)
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


# Refreshes: many clients at a time, since each waits seconds for its expiry.

BATCH = 100


def _cases(event: str, count: int) -> Iterator[tuple[str, int, bytes]]:
    replies = Replies(seed=count)
    for oddity in itertools.islice(itertools.cycle(ODDITIES), count):
        base = {"expire_at": str(int(time.time()) + 3600)} if replies.random.random() < 0.8 else {}
        yield (oddity, *replies.make(event, oddity, base))


def _all_sent(planned: Planned, event: str, names: list[str]) -> bool:
    """Whether the backend has taken all its planned replies to these users or channels; the last may be on its way."""
    return not any(f"{event} {name}" in planned for name in names)


def _soon() -> int:
    """When a client expires: late enough for Centrifugo to read it in time, and so early that the tests can wait."""
    return int(time.time()) + 3


def _give_time(condition: Callable[[], object]) -> None:
    """Wait for what the judge expects. If it does not come, the report says so."""
    with suppress(AssertionError):
        wait_until(condition, "what the judge expects")


def _end(client: Client) -> tuple[int, str] | None:
    """The code and the reason with which the connection was ended, or None."""
    closed: tuple[int, str] | None = client.ask("rpc", data="still there?").get("closed")
    return closed


def _all_ended(clients: list[Client]) -> bool:
    return all(_end(client) for client in clients)


def test_they_agree_about_refreshes(pair: Pair) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    graces, failed = 0, pair.log.read_text().count("error proxying refresh")
    for start in range(0, COUNT // 4, BATCH):
        cases = list(itertools.islice(_cases("refresh", COUNT // 4), start, min(start + BATCH, COUNT // 4)))
        clients = [Client(pair.address) for _ in cases]
        names = [f"user-{start + number}" for number in range(len(cases))]
        for name, client, (_, status, body) in zip(names, clients, cases, strict=True):
            pair.planned[f"refresh {name}"] = status, body
            connected = {"result": {"user": name, "expire_at": _soon()}}
            pair.planned[f"connect {name}"] = 200, json.dumps(connected).encode()
            assert "connect" in client.ask("connect", data=name)
        wait_until(functools.partial(_all_sent, pair.planned, "refresh", names), "the refreshes")
        verdicts = [judge("refresh", status, body) for _, status, body in cases]
        to_end = [
            client
            for client, verdict in zip(clients, verdicts, strict=True)
            if verdict.outcome in ("expired", "disconnected")
        ]
        _give_time(functools.partial(_all_ended, to_end))
        for client, verdict, (oddity, status, body) in zip(clients, verdicts, cases, strict=True):
            seen = _end(client) or "stays"
            wanted: Any = (verdict.code, verdict.reason) if client in to_end else "stays"
            graces += verdict.outcome == "grace"
            counts["refresh", oddity] += 1
            if seen != wanted:
                wrong.append(f"refresh {oddity} {status} {body[:300]!r}\n  Centrifugo: {seen}\n  the judge:  {wanted}")
            client.close()
    _give_time(lambda: pair.log.read_text().count("error proxying refresh") - failed >= graces)
    assert pair.log.read_text().count("error proxying refresh") - failed == graces
    _report(counts, wrong)


def test_they_agree_about_refreshes_of_subscriptions(pair: Pair) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    client = Client(pair.address)
    assert "connect" in client.ask("connect", data=None)
    cases = list(_cases("sub_refresh", COUNT // 4))
    names = [f"asked:sub-{number}" for number in range(len(cases))]
    for name, (_, status, body) in zip(names, cases, strict=True):
        pair.planned[f"sub_refresh {name}"] = status, body
        pair.planned[f"subscribe {name}"] = 200, json.dumps({"result": {"expire_at": _soon()}}).encode()
        assert "subscribe" in client.ask("subscribe", channel=name)
    wait_until(lambda: _all_sent(pair.planned, "sub_refresh", names), "the refreshes of subscriptions")
    verdicts = [judge("sub_refresh", status, body) for _, status, body in cases]
    outcomes = [(name, verdict.outcome) for name, verdict in zip(names, verdicts, strict=True)]

    def ended() -> dict[str, int]:
        client.ask("rpc", data="what has come so far")
        return {push["channel"]: push["unsubscribe"]["code"] for push in client.pushes if "unsubscribe" in push}

    def failed() -> set[str]:
        text = pair.log.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may not be complete
        return {json.loads(line)["channel"] for line in lines if "error proxying sub refresh" in line}

    _give_time(lambda: {name for name, outcome in outcomes if outcome == "expired"} <= ended().keys())
    _give_time(lambda: {name for name, outcome in outcomes if outcome == "grace"} <= failed())
    ends, graces = ended(), failed()
    for name, verdict, (oddity, status, body) in zip(names, verdicts, cases, strict=True):
        seen = "grace" if name in graces else ends.get(name, "stays")
        wanted = {"grace": "grace", "expired": verdict.code}.get(verdict.outcome, "stays")
        counts["sub_refresh", oddity] += 1
        if seen != wanted:
            wrong.append(f"sub_refresh {oddity} {status} {body[:300]!r}\n  Centrifugo: {seen}\n  the judge:  {wanted}")
    client.close()
    _report(counts, wrong)


def _publications_of(status: int, body: bytes) -> list[Any]:
    """What the judge says that a client sees of the key of a shared poll: the data, or that it was removed."""
    verdict = judge("shared_poll_refresh", status, body)
    items = (verdict.result or {}).get("items", []) if verdict.allowed else []
    return ["removed" if item.get("removed") else item.get("data") for item in items if item.get("key") == "k"]


def test_they_agree_about_polls(pair: Pair) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    replies, client = Replies(seed=COUNT), Client(pair.address)
    pair.planned["connect polls"] = 200, b'{"result":{"user":"u"}}'
    assert "connect" in client.ask("connect", data="polls")
    cases = []
    for number, oddity in enumerate(itertools.islice(itertools.cycle(ODDITIES), COUNT // 4)):
        base = {"key": '"k"', "data": '{"news":1}'} if replies.random.random() < 0.9 else {}
        cases.append((f"poll:{number}", oddity, *replies.make("shared_poll_refresh", oddity, base)))
    for channel, _, status, body in cases:
        pair.planned[f"shared_poll_refresh {channel}"] = status, body
        track(client, "u", channel, "k")
    channels = [channel for channel, *_ in cases]
    wait_until(lambda: _all_sent(pair.planned, "shared_poll_refresh", channels), "the polls")
    wanted = {channel: _publications_of(status, body) for channel, _, status, body in cases}

    def published() -> dict[str, list[Any]]:
        client.ask("rpc", data="what has come so far")
        seen: dict[str, list[Any]] = {channel: [] for channel in channels}
        for push in client.pushes:
            seen[push["channel"]].append("removed" if push["pub"].get("removed") else push["pub"].get("data"))
        return seen

    _give_time(lambda: published() == wanted)
    seen = published()
    client.close()
    for channel, oddity, status, body in cases:
        counts["shared_poll_refresh", oddity] += 1
        if seen[channel] != wanted[channel]:
            got = seen[channel]
            wrong.append(f"poll {oddity} {status} {body[:300]!r}\n  Centrifugo: {got}\n  the judge:  {wanted[channel]}")
    _report(counts, wrong)


# Replies that crash Centrifugo according to the judge: each test has a Centrifugo of its own.


def refuses_connections(address: str) -> bool:
    try:
        Client(address)
    except ConnectionRefusedError:
        return True
    except (OSError, EOFError, WebSocketException):  # the process is ending, and its port is still there
        return False
    return False


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("connect", b'{"result":{"user":"u","subs":{"asked:1":null}}}'),
        ("shared_poll_refresh", b'{"result":{"items":[null]}}'),
    ],
)
def test_a_null_crashes_centrifugo(own_pair: Pair, event: str, body: bytes) -> None:
    assert "crashes" in judge(event, 200, body).why
    planned, address = own_pair.planned, own_pair.address
    planned["connect first"] = 200, b'{"result":{"user":"u"}}'
    planned[f"{event} {'poll:1' if event == 'shared_poll_refresh' else 'second'}"] = 200, body
    bystander, client = Client(address), Client(address)
    bystander.ask("connect", data="first")
    if event == "connect":
        client.ask("connect", data="second")
    else:
        ask_to_track(bystander, "u", "poll:1", "k")  # the crash may come before the reply
    assert bystander.wait_closed()[0] == 1006
    wait_until(lambda: refuses_connections(address), "the end of Centrifugo")
