"""Generates cases: streams of requests, valid and damaged, and how a client sends them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.gunicorn.differential import http2
from tests.gunicorn.differential.app import ANSWERS, READS
from tests.gunicorn.differential.fragments import (
    CODINGS,
    EXPECTATIONS,
    EXTENSIONS,
    FIELDS,
    FRAGMENTS,
    GARBAGE,
    INSERTIONS,
    LENGTHS,
    METHODS,
    ORIGINS,
    PATHS,
    PROXY_LINES,
    TRAILERS,
    VERSIONS,
)

SENTINEL = b"GET /last?answer=list HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"
"""A request behind the others: it is answered only if the server still reads requests there."""


@dataclass(frozen=True)
class Case:
    """What a client sends over one connection."""

    segments: tuple[bytes, ...]
    """The bytes, cut where the client pauses."""
    hold: bool = False
    """Whether the client waits for the server before it closes its side of the connection."""
    trusted: bool = False
    """Whether the client's address is in ``forwarded_allow_ips`` where these are not the default."""

    def in_one_piece(self) -> Case:
        return replace(self, segments=(b"".join(self.segments),))

    def in_two_pieces(self) -> Iterator[Case]:
        """Yield the case for each place where the client pauses, as the only one."""
        for cut in range(1, len(self.segments)):
            yield replace(self, segments=(b"".join(self.segments[:cut]), b"".join(self.segments[cut:])))


@dataclass(frozen=True)
class Profile:
    """What the streams for one configuration of gunicorn are aimed at."""

    line: int = 4094
    """The value of gunicorn's limit_request_line."""
    fields: int = 100
    field_size: int = 8190
    proxy_protocol: bool = False
    """Whether streams may begin with a PROXY line."""
    http2: bool = False
    """Whether some streams are HTTP/2."""
    only_valid: bool = False
    """Whether all streams are valid and short: for a server whose state depends on the number of requests."""


class Generator:
    """Generates the same cases for the same seed."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def case(self, seed: str) -> Case:
        rng = random.Random(seed)
        if self.profile.only_valid:
            return Case((_simple_request(rng),))
        requests = [self._request(rng) for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 4, 5)))]
        if rng.random() < 0.3:
            requests.append(SENTINEL)
        if rng.random() < 0.03:
            requests.insert(0, rng.choice((b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ")))
        stream = b"".join(requests)
        if self.profile.proxy_protocol and rng.random() < 0.8:
            stream = _proxy_header(rng) + stream
        if self.profile.http2 and rng.random() < 0.4:
            stream = http2.connection(rng, _query)
        if rng.random() < 0.3:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                stream = rng.choice(MUTATIONS)(rng, stream)
        return Case(_cut(rng, stream), hold=rng.random() < 0.2, trusted=rng.random() < 0.5)

    def _request(self, rng: random.Random) -> bytes:
        if rng.random() < 0.25:
            return _simple_request(rng)
        pick = Picker(rng, strange=rng.random() < 0.25)
        method = pick(METHODS)
        target = self._target(pick, method)
        version = pick(VERSIONS)
        fields = [b"Host: example.org"] if rng.random() < 0.9 else []
        fields += [pick(FIELDS) for _ in range(rng.choice((0, 1, 1, 2, 3, 5)))]
        if rng.random() < 0.03:
            fields += self._limit_fields(rng)
        framing, body = _body(pick, method)
        fields += framing
        if rng.random() < 0.3:
            rng.shuffle(fields)
        return b"%s %s %s\r\n%s\r\n" % (method, target, version, b"".join(field + b"\r\n" for field in fields)) + body

    def _target(self, pick: Picker, method: bytes) -> bytes:
        rng = pick.rng
        if method == b"CONNECT" and rng.random() < 0.7:
            return b"example.org:443"
        if method == b"OPTIONS" and rng.random() < 0.4:
            return b"*"
        start = b"/" if rng.random() < 0.4 else pick(ORIGINS) + pick(PATHS)
        # Requests without a query have a way of their own through the worker.
        target = start + (b"/" if rng.random() < 0.5 else b"?") + _query(rng) + pick(FRAGMENTS)
        if rng.random() < 0.02:
            target += b"&" + b"l" * max(0, self.profile.line + rng.randint(-30, 5) - len(target) - len(method))
        return target

    def _limit_fields(self, rng: random.Random) -> list[bytes]:
        """Return header fields near one of the limits."""
        profile = self.profile
        if rng.random() < 0.5:
            return [b"X-%d: v" % number for number in range(profile.fields + rng.randint(-8, 3))]
        size = profile.field_size + rng.randint(-4, 3)
        return [b"X-Long: " + b"v" * max(0, size - len("X-Long: \r\n"))] * rng.choice((1, 1, 2))


class Picker:
    """Picks from the tables of fragments.

    :param strange: whether parts of weight 1 may be picked.
    """

    def __init__(self, rng: random.Random, *, strange: bool) -> None:
        self.rng = rng
        self.lowest = 1 if strange else 2

    def __call__(self, table: dict[bytes, int]) -> bytes:
        weights = [weight if weight >= self.lowest else 0 for weight in table.values()]
        return self.rng.choices(list(table), weights)[0]


def _simple_request(rng: random.Random) -> bytes:
    """Return a request as a usual client sends it, with a usual answer."""
    body = b'{"method": "rpc"}' * rng.randint(0, 9)
    answer = rng.choice(("list", "json", "without_length", "not_found", "generator"))
    start = rng.choice((b"/centrifugo/", b"/centrifugo/", b"/centrifugo/rpc?"))
    return b"POST %sanswer=%s HTTP/1.1\r\nHost: example.org\r\nContent-Length: %d\r\n\r\n%s" % (
        *(start, answer.encode(), len(body), body),
    )


def _query(rng: random.Random) -> bytes:
    read, answer = rng.choice(list(READS)), rng.choice(list(ANSWERS))
    if rng.random() < 0.4:
        read = "all"
    if rng.random() < 0.3:
        answer = "list"
    query = b"read=%s&answer=%s" % (read.encode(), answer.encode())
    if rng.random() < 0.06:
        query += rng.choice((b"&hook=close", b"&hook=raise", b"&hook=fail_after"))
    if rng.random() < 0.1:
        query += rng.choice((b"&a=%20b+c", b"&\xc3=\xa4", b"?&&", b"&%zz", b"&[]", b"&a=//b?c", b"&:@!$'()*+,;=~"))
    return query


def _body(pick: Picker, method: bytes) -> tuple[list[bytes], bytes]:
    """Return the fields that frame a body, and the body."""
    rng = pick.rng
    kind = rng.random()
    if kind < (0.6 if method in (b"GET", b"HEAD") else 0.1):
        return [], b""
    size = rng.choice((0, 0, 1, 5, 20, 100, 1000, 5000, 9000))
    if rng.random() < 0.01:
        size = rng.choice((65_536, 70_000, 300_000, 1_200_000))
    body = bytes(rng.choices(b'abc{}":\r\n\0\xff', k=min(size, 100))) * max(1, size // 100)
    body = body[:size].ljust(size, b"x")
    if rng.random() < 0.55:
        length = pick(LENGTHS)
        fields = [field.replace(b"N", b"%d" % len(body)) for field in length.split(b"|")]
    else:
        fields = pick(CODINGS).split(b"|")
        body = _chunked(pick, body)
    if rng.random() < 0.1:
        fields.append(pick(EXPECTATIONS))
    return fields, body


def _chunked(pick: Picker, body: bytes) -> bytes:
    rng = pick.rng
    parts = []
    while body:
        size = min(len(body), rng.choice((1, 3, 10, 500, 20_000)))
        head = rng.choice((b"%x", b"%x", b"%X", b"0%x", b"00000000%x")) % size
        parts.append(head + pick(EXTENSIONS) + b"\r\n" + body[:size] + b"\r\n")
        body = body[size:]
        if len(parts) > 50:
            body = b""
    return b"".join(parts) + rng.choice((b"0", b"0", b"000")) + pick(EXTENSIONS) + b"\r\n" + pick(TRAILERS)


def _cut(rng: random.Random, stream: bytes) -> tuple[bytes, ...]:
    """Cut a stream where the client pauses."""
    choice = rng.random()
    if choice < 0.6 or len(stream) < 2:
        return (stream,)
    if choice < 0.61:
        start = rng.randrange(len(stream))
        singles = [stream[at : at + 1] for at in range(start, min(start + 40, len(stream)))]
        return tuple(part for part in (stream[:start], *singles, stream[start + 40 :]) if part)
    if choice < 0.8:  # at the places that matter
        ends = [at + offset for at in range(len(stream)) for offset in (0, 2, 4) if stream.startswith(b"\r\n\r\n", at)]
    else:
        ends = []
    places = rng.sample(ends, min(len(ends), 2)) or [rng.randrange(1, len(stream)) for _ in range(rng.randint(1, 4))]
    cuts = [0, *sorted(set(places)), len(stream)]
    return tuple(part for start, end in pairwise(cuts) if (part := stream[start:end]))


def _proxy_header(rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        command = rng.choice((b"\x21", b"\x21", b"\x20", b"\x31", b"\x22"))
        family = rng.choice((b"\x11", b"\x11", b"\x21", b"\x00", b"\x12", b"\x31"))
        size = {b"\x11": 12, b"\x21": 36}.get(family, 0) + rng.choice((0, 0, 0, 5, -1))
        size = max(0, size)
        return b"\r\n\r\n\0\r\nQUIT\n" + command + family + size.to_bytes(2, "big") + rng.randbytes(size)
    return Picker(rng, strange=rng.random() < 0.4)(PROXY_LINES)


def _at(rng: random.Random, stream: bytes) -> int:
    """Return a place, near a line end in half of the cases."""
    places = [at for at, byte in enumerate(stream[:20_000]) if byte == 10]
    if places and rng.random() < 0.5:
        return max(0, min(len(stream) - 1, rng.choice(places) + rng.randint(-3, 2)))
    return rng.randrange(len(stream)) if stream else 0


def _flip(rng: random.Random, stream: bytes) -> bytes:
    at = _at(rng, stream)
    return stream[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in stream[at : at + 1]) + stream[at + 1 :]


def _delete(rng: random.Random, stream: bytes) -> bytes:
    at = _at(rng, stream)
    return stream[:at] + stream[at + rng.choice((1, 1, 2, 10, 100)) :]


def _insert(rng: random.Random, stream: bytes) -> bytes:
    at = _at(rng, stream)
    return stream[:at] + rng.choice(INSERTIONS) + stream[at:]


def _truncate(rng: random.Random, stream: bytes) -> bytes:
    return stream[: _at(rng, stream)]


def _repeat(rng: random.Random, stream: bytes) -> bytes:
    at, size = _at(rng, stream), rng.choice((1, 5, 30, 200))
    return stream[: at + size] + stream[at:]


def _bare_newline(rng: random.Random, stream: bytes) -> bytes:
    places = [at for at in range(min(len(stream), 20_000)) if stream.startswith(b"\r\n", at)]
    if not places:
        return stream
    at = rng.choice(places)
    return stream[:at] + rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"")) + stream[at + 2 :]


def _all_bare_newlines(rng: random.Random, stream: bytes) -> bytes:
    return stream.replace(b"\r\n", b"\n")


def _garbage(rng: random.Random, stream: bytes) -> bytes:
    return rng.choice((rng.randbytes(rng.randrange(200)), GARBAGE[rng.randrange(len(GARBAGE))] + stream))


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [
    *(_flip, _flip, _delete, _delete, _insert, _insert, _insert),
    *(_truncate, _truncate, _repeat, _bare_newline, _bare_newline, _all_bare_newlines, _garbage),
]
