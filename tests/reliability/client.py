"""A client that behaves as Centrifugo's, which is Go's HTTP client: pooled connections, a timeout, no repeats.

As Go does, it uses the connection next that was used last, keeps up to 255 idle connections, and uses none that the
server has closed. When no connection is free, it opens one, and takes the first that is available: the new one, or one
that has become free. So the pool gets spare connections. After a timeout it closes the connection. With ``repeat`` it
does what the header ``Idempotency-Key`` makes Go do: if a used connection ends before the first byte of the reply, the
request is sent again on another connection.
"""

from __future__ import annotations

import asyncio
import json
import select
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAX_IDLE = 255


class Ended(Exception):
    """The connection ended before the reply was complete; the argument is its state, see :class:`Outcomes`."""


class Connection(asyncio.Protocol):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: Any = None
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.open = False
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._pool.forget(self)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Ended())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or self._waiting is None or self._waiting.done():
            return
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        assert len(body) == length
        self._buffer = b""
        if b"connection: close" in lines:
            self._pool.told_to_close += 1
            self.close()
        self._waiting.set_result((int(lines[0].split()[1]), body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    @property
    def reply_begun(self) -> bool:
        """Whether the first byte of a reply has come."""
        return bool(self._buffer)

    def has_ended(self) -> bool:
        """Whether the server has closed the connection. Go knows it since a goroutine always reads."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self.open = False
        self._transport.abort() if self._buffer else self._transport.close()


class Pool:
    """Connections to one host."""

    def __init__(self, port: int, *, repeat: bool = False) -> None:
        self._port = port
        self._repeat = repeat
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._dials: set[asyncio.Task[None]] = set()
        self.opened = self.repeated = self.told_to_close = 0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        connection = await self._get()
        used = connection.used
        try:
            reply = await connection.ask(request)
        except Ended:
            if not (self._repeat and used) or connection.reply_begun:
                raise Ended("begun" if connection.reply_begun else "used" if used else "fresh") from None
            self.repeated += 1
            return await self.ask(request)
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.open:
            connection.used = True
            self._put(connection)
        return reply

    def forget(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for dial in self._dials:
            dial.cancel()
        for connection in [*self._idle]:
            connection.close()

    async def _get(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open and not connection.has_ended():
                return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        dial = asyncio.create_task(self._dial(waiter))
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)
        return await waiter

    async def _dial(self, waiter: asyncio.Future[Connection]) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), "127.0.0.1", self._port
            )
        except OSError as error:
            if not waiter.done():
                waiter.set_exception(error)
            return
        self.opened += 1
        self._put(connection)

    def _put(self, connection: Connection) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.used = True  # Go treats an idle connection as used
        if len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)


@dataclass
class Outcomes:
    """The outcomes of calls."""

    counts: Counter[str] = field(default_factory=Counter)
    """The number of calls by outcome.

    An outcome is ``ok``, another status, ``timeout``, ``refused`` (no connection), ``wrong`` (another body), or
    ``ended, `` with the state of the connection that ended: ``used`` before, ``fresh``, or the reply had ``begun``.
    """
    latencies: list[float] = field(default_factory=list, repr=False)
    """Seconds that each ``ok`` call took."""
    finished: list[tuple[float, str]] = field(default_factory=list, repr=False)
    """When each call ended, by ``time.monotonic``, and its outcome."""

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def failed(self) -> int:
        return self.total - self.counts["ok"]

    def percentile(self, of_hundred: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * of_hundred / 100))]

    def __str__(self) -> str:
        return f"{self.total} calls, {self.failed} failed {dict(self.counts)}"


class Client:
    """Calls hooks, and counts what becomes of the calls."""

    def __init__(self, port: int, *, secret: str = "s3cret", timeout: float = 1.0, repeat: bool = False) -> None:
        self.pool = Pool(port, repeat=repeat)
        self.secret = secret
        self._timeout = timeout
        self._key = "Idempotency-Key: proxy\r\n" if repeat else ""
        self.outcomes = Outcomes()
        self.calls_begun = 0
        self.in_flight = 0
        """Calls that have begun and not ended."""

    def request(self, method: str, data: Any) -> bytes:
        body = json.dumps({"client": "c", "transport": "websocket", "protocol": "json", "encoding": "json",
                           "user": "42", "method": method, "data": data}).encode()  # fmt: skip
        head = (
            "POST /centrifugo/rpc HTTP/1.1\r\nHost: backend\r\nUser-Agent: Go-http-client/1.1\r\n"
            f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n"
            f"X-Proxyhooks-Secret: {self.secret}\r\n{self._key}\r\n"
        )
        return head.encode() + body

    async def call(self, method: str, data: Any) -> str:
        """Call a hook that returns its data, and return the outcome, see :class:`Outcomes`."""
        began = time.monotonic()
        self.calls_begun += 1
        self.in_flight += 1
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self.pool.ask(self.request(method, data))
        except TimeoutError:
            outcome = "timeout"
        except Ended as ended:
            outcome = f"ended, {ended}"
        except OSError:
            outcome = "refused"
        else:
            right = status == 200 and json.loads(body) == {"result": {"data": data}}
            outcome = "ok" if right else "wrong" if status == 200 else str(status)
        self.in_flight -= 1
        now = time.monotonic()
        if outcome == "ok":
            self.outcomes.latencies.append(now - began)
        self.outcomes.counts[outcome] += 1
        self.outcomes.finished.append((now, outcome))
        return outcome

    async def keep_calling(
        self, callers: int, *, pause: float, until: Callable[[], bool], method: str = "echo"
    ) -> None:
        """Let so many callers call, each with a pause between its calls, until the condition is true.

        :param pause: seconds.
        """

        async def caller(number: int) -> None:
            count = 0
            await asyncio.sleep(pause * number / callers)
            while not until():
                count += 1
                await self.call(method, [number, count])
                await asyncio.sleep(pause)

        await asyncio.gather(*(caller(number) for number in range(callers)))

    async def flood(self, per_second: float, seconds: float, method: str) -> None:
        """Send so many calls a second without waiting for the replies to earlier calls."""
        loop = asyncio.get_running_loop()
        began, sent, calls = loop.time(), 0, set[asyncio.Task[str]]()
        while (passed := loop.time() - began) < seconds:
            while sent < passed * per_second:
                sent += 1
                call = asyncio.create_task(self.call(method, sent))
                calls.add(call)
                call.add_done_callback(calls.discard)
            await asyncio.sleep(0.005)
        await asyncio.gather(*calls)
