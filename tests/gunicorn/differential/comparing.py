"""Sends cases to two servers, and compares what the clients got and what the servers saw."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from tests.gunicorn.differential.exchange import Received, Times, exchange
from tests.gunicorn.differential.generator import Case
from tests.gunicorn.differential.servers import Server

SHORT_TIMES = Times(pause=0.002, quiet=0.15)
LONG_TIMES = Times(pause=0.1, quiet=0.6)
"""Where a difference is examined: a server has enough time even on a busy machine."""

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d\d\d)[^\r\n]*\r\n(?=Server: |Connection: |Link: |\r\n)")


def statuses(replies: bytes) -> list[str]:
    """Return the statuses of the replies on a connection."""
    return [status.decode() for status in _STATUS_LINE.findall(replies)]


@dataclass(frozen=True)
class Observed:
    """What one case did to a server."""

    received: Received
    seen: tuple[str, ...]
    """What the server recorded, in order: environ, body, server hooks, lines of the logs."""


@dataclass(frozen=True)
class Difference:
    """A case that two servers answer in two ways."""

    case: Case
    servers: tuple[Server, Server]
    observed: tuple[Observed, Observed]

    def kind(self) -> tuple[str, ...]:
        """Return what differs, so that differences of one cause have the same kind."""
        left, right = self.observed
        parts = []
        if left.received.reply != right.received.reply:
            parts.append(f"reply {_first_difference(*(statuses(one.received.reply) for one in self.observed))}")
        if left.received.stays_open != right.received.stays_open:
            parts.append(f"stays open: {left.received.stays_open} / {right.received.stays_open}")
        if left.received.end != right.received.end:
            parts.append(f"end: {left.received.end} / {right.received.end}")
        if left.seen != right.seen:
            records = _first_difference(left.seen, right.seen)
            parts.append("seen " + " / ".join(_kind_of(line) for line in records))
        return tuple(parts)


def _kind_of(line: str) -> str:
    """Return what kind of record it is."""
    return str(json.loads(line)[0]) if line.startswith("[") else line or "nothing"


def _first_difference(left: Sequence[str], right: Sequence[str]) -> tuple[str, str]:
    """Return the first elements that differ; empty ones if none do."""
    return next((pair for pair in zip_longest(left, right, fillvalue="") if pair[0] != pair[1]), ("", ""))


def _without_connection_header(observed: Observed) -> Observed:
    """Return what is observed of a worker that may be about to end: then it closes connections, sooner or later."""
    reply = re.sub(rb"\r\nConnection: (close|keep-alive)\r\n", b"\r\n", observed.received.reply)
    return Observed(replace(observed.received, reply=reply), tuple(json.loads(line)[0] for line in observed.seen))


def _refused_earlier(observed: Observed) -> Observed:
    """Return what is observed if a bad head is refused before the client has closed its side."""
    return replace(observed, received=replace(observed.received, stays_open=False))


@dataclass(frozen=True)
class Intended:
    """A difference between the servers that is intended."""

    reason: str
    applies: Callable[[Difference], bool]


@dataclass
class Result:
    """What a comparison has found."""

    cases: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    """The statuses that the first server has sent, so that a test sees that the cases are varied."""
    differences: dict[tuple[str, ...], list[Difference]] = field(default_factory=dict)
    """By kind."""
    intended: Counter[str] = field(default_factory=Counter)
    """By reason."""
    as_in_other_packets: int = 0
    """Cases that the second server answers as gthread does if the bytes arrive in other packets."""
    not_repeated: dict[tuple[str, ...], list[Difference]] = field(default_factory=dict)
    """Differences that were gone when the case was repeated alone: the times of the packets decide. By kind."""


class Comparison:
    """Compares two servers of one configuration.

    gunicorn checks some limits when more bytes arrive, so that its answer to a bad request depends on the packets. A
    server that collects a request before it checks it may therefore answer as gthread does for other packets. It may
    also answer later: it parses an unfinished head only now and then.

    :param intended: differences that do not count.
    :param at_once: starts gthread with large reads; None if the answers to all packets must be the same.
    """

    def __init__(
        self,
        left: Server,
        right: Server,
        intended: Iterable[Intended] = (),
        at_once: Callable[[], Server] | None = None,
    ) -> None:
        self.servers = left, right
        self._at_once = at_once
        self.intended = tuple(intended)
        self.result = Result()
        self._pool = ThreadPoolExecutor(2 * left.configuration.at_once)
        self._clients = 0

    def run(self, cases: Sequence[Case], *, until_different: bool = False) -> Result:
        """Compare the servers for the cases, and return the result of all cases so far.

        :param until_different: whether one difference is enough.
        """
        size = self.servers[0].configuration.at_once
        for start in range(0, len(cases), size):
            self._run_batch(cases[start : start + size], until_different=until_different)
            if until_different and self.result.differences:
                break
        return self.result

    def _run_batch(self, cases: Sequence[Case], *, until_different: bool) -> None:
        (left, left_rest), (right, right_rest) = self._observe(cases, SHORT_TIMES)
        self.result.cases += len(cases)
        for case, pair in zip(cases, zip(left, right, strict=True), strict=True):
            self.result.replies.update(statuses(pair[0].received.reply))
            # Records without a client may be of any case of the batch.
            if pair[0] != pair[1] or left_rest != right_rest:
                self._examine(Difference(case, self.servers, pair))
                if until_different and self.result.differences:
                    return

    def _examine(self, difference: Difference) -> None:
        """File a difference if it is there when the case runs alone."""
        known = self.result.differences.get(difference.kind(), [])
        if self.servers[0].configuration.repeatable and len(known) < 5:
            for _ in range(2):
                repeated = self.difference(difference.case)
                if repeated is None:
                    self.result.not_repeated.setdefault(difference.kind(), []).append(difference)
                    return
                difference = repeated
        for intended in self.intended:
            if intended.applies(difference):
                self.result.intended[intended.reason] += 1
                return
        if (
            self._at_once is not None
            and self.servers[0].configuration.repeatable
            and self._depends_on_packets(difference)
        ):
            self.result.as_in_other_packets += 1
            return
        self.result.differences.setdefault(difference.kind(), []).append(difference)

    def _depends_on_packets(self, difference: Difference) -> bool:
        """Return whether gthread answers as the second server does if the bytes arrive in other packets."""
        assert self._at_once is not None
        other = difference.observed[1]
        for case in (difference.case.in_one_piece(), *difference.case.in_two_pieces()):
            gthread = self._observe([case], LONG_TIMES, [self._at_once()])[0][0][0]
            if gthread in (other, _refused_earlier(other)):
                return True
        return False

    def difference(self, case: Case) -> Difference | None:
        """Return how the servers differ for one case that runs alone, or None if they do not."""
        observed = self.observe_alone(case)
        return None if observed[0] == observed[1] else Difference(case, self.servers, observed)

    def observe_alone(self, case: Case) -> tuple[Observed, Observed]:
        (left, _), (right, _) = self._observe([case], LONG_TIMES)
        return left[0], right[0]

    def _observe(
        self, cases: Sequence[Case], times: Times, servers: Sequence[Server] = ()
    ) -> list[tuple[list[Observed], Counter[str]]]:
        """Send the cases to both servers at once, or to the given ones.

        :returns: for each server, what was observed for each case, and the records that belong to no case.
        """
        servers = servers or self.servers
        clients = [self._client(case) for case in cases]
        jobs = [
            [
                self._pool.submit(exchange, server.address, client, case, times, server.tls)
                for client, case in zip(clients, cases, strict=True)
            ]
            for server in servers
        ]
        received = [[job.result(120) for job in of_server] for of_server in jobs]
        if len(cases) == 1:
            time.sleep(times.pause)  # for what a server records after it has closed the connection
        return [_assign(server, of_server, clients) for server, of_server in zip(servers, received, strict=True)]

    def _client(self, case: Case) -> str:
        """Return an address that no other case of the last ones has."""
        self._clients += 1
        number = self._clients % 60_000
        return f"127.{1 if case.trusted else 2}.{number // 250}.{number % 250 + 1}"


def _assign(server: Server, received: list[Received], clients: list[str]) -> tuple[list[Observed], Counter[str]]:
    """Read and delete the records of a server, and assign them to the cases."""
    records = server.records.read_text() if server.records.exists() else ""
    if records:
        with server.records.open("r+") as file:
            file.truncate(0)
    by_client: dict[str, list[str]] = {client: [] for client in clients}
    rest: Counter[str] = Counter()
    for line in records.splitlines():
        client, *seen = json.loads(line)
        # One case alone: the client may be unknown, as behind a Unix socket, but it is none of another case.
        if len(clients) == 1 and not str(client).startswith("127."):
            client = clients[0]
        if client in by_client:
            by_client[client].append(json.dumps(seen).replace(client, "<client>"))
        else:
            rest[line] += 1
    observed = [Observed(reply, tuple(by_client[client])) for reply, client in zip(received, clients, strict=True)]
    if not server.configuration.repeatable:
        observed = [_without_connection_header(one) for one in observed]
    return observed, rest


def minimized(comparison: Comparison, difference: Difference, *, tries: int = 200) -> Difference:
    """Return a difference of the same kind with fewer bytes."""
    simpler = comparison.difference(replace(difference.case.in_one_piece(), hold=False))
    if simpler is not None and simpler.kind() == difference.kind():
        difference = simpler
    case = difference.case
    size = max(len(segment) for segment in case.segments)
    while size and tries:
        number = 0
        while number < len(case.segments) and tries:
            segment, at = case.segments[number], 0
            while at < len(segment) and tries:
                tries -= 1
                rest = segment[:at] + segment[at + size :]
                segments = (*case.segments[:number], rest, *case.segments[number + 1 :])
                shorter = Case(tuple(part for part in segments if part) or (b"",), case.hold, case.trusted)
                found = comparison.difference(shorter)
                if found is not None and found.kind() == difference.kind():
                    difference, case, segment = found, shorter, rest
                    if not rest:
                        break
                else:
                    at += size
            number += 1
        size //= 2
    return difference


def shortened(data: bytes) -> bytes:
    """Return the beginning and the end."""
    return data if len(data) < 1600 else data[:1200] + b" [...] " + data[-400:]


def report(difference: Difference) -> str:
    """Return the bytes of a case, and what differs."""
    lines = [f"{' + '.join(repr(shortened(segment)) for segment in difference.case.segments)}"]
    lines.append(f"  hold={difference.case.hold} trusted={difference.case.trusted}")
    for server, one, other in zip(difference.servers, difference.observed, difference.observed[::-1], strict=True):
        lines.append(f"  {server.name}:")
        received = one.received
        if received != other.received:
            lines.append(f"    got {shortened(received.reply)!r} stays_open={received.stays_open} end={received.end}")
        lines += [f"    saw {line[:700]}" for line in one.seen if line not in other.seen]
        if [*one.seen] != [*other.seen] and {*one.seen} == {*other.seen}:
            lines.append(f"    order {[_kind_of(line) for line in one.seen]}")
    return "\n".join(lines)
