"""``python -m tests.reliability.flooding_clients NAME PORT``: flood a Centrifugo until the standard input ends.

The clients know what every visitor of a page knows. They run in a process of their own, so that the calls of others can
be measured meanwhile. It prints a line when the flood has begun, and at the end the counts.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

SOCKETS: Final = 5
_LARGE: Final = 63 * 1024
"""Bytes of a payload. Centrifugo takes messages of up to 64 KiB."""
_SMALL: Final = 3 * 1024

Frames = Callable[[int], str | bytes]
"""The command with this id."""


def _items(size: int) -> str:
    """A payload of so many bytes whose nested items all lack a required field."""
    return '{"items":[' + ",".join(["{}"] * ((size - 12) // 3)) + "]}"


def _command(number: int, command: str, parameters: str) -> str:
    return f'{{"id":{number},"{command}":{parameters}}}'


def _publish_and_call(payload: str, method: str = "items") -> Frames:
    publish = f'{{"channel":"{method}","data":{payload}}}'
    rpc = f'{{"method":"{method}","data":{payload}}}'
    return lambda number: _command(number, "publish", publish) if number % 2 else _command(number, "rpc", rpc)


def _invent_names(number: int) -> str:
    """A call of a method, or a publication to a channel, that nobody has heard of; no name comes twice."""
    name = f"{number}-{'x' * 150}"
    if number % 2:
        return _command(number, "publish", f'{{"channel":"{name}","data":{{}}}}')
    return _command(number, "rpc", f'{{"method":"{name}","data":{{}}}}')


def _send_no_json(number: int) -> bytes:
    """A call in Protobuf, whose payload is not JSON: the backend gets it as ``b64data``."""
    rpc = _field(1, b"\xff[{" * (_SMALL // 3)) + _field(2, b"binary:items")
    return _delimited(b"\x08" + _varint(number) + _field(13, rpc))


def _field(number: int, value: bytes) -> bytes:
    """A field of bytes in Protobuf."""
    return _varint(number << 3 | 2) + _delimited(value)


def _delimited(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


@dataclass(frozen=True)
class Flood:
    """What a flood consists of.

    :param meaning: for the table of tests/README.md.
    :param frames: what each socket sends without end; None if the clients connect again and again, and are refused.
    :param binary: whether the frames are in Protobuf.
    """

    meaning: str
    frames: Frames | None
    binary: bool = False


FLOODS: Final = {
    "nested": Flood("messages of 63 KB that a nested schema refuses", _publish_and_call(_items(_LARGE))),
    "allowed": Flood("messages with 950 items that a nested schema refuses", _publish_and_call(_items(3 * 950 + 12))),
    "function": Flood("messages of 63 KB that a function refuses", _publish_and_call(_items(_LARGE), "parsed")),
    "names": Flood("channels and methods that no hook serves, each with another name", _invent_names),
    "no_json": Flood("bytes of 3 KB that are no JSON, for a schema", _send_no_json, binary=True),
    "connects": Flood("connects that the hook refuses, each on a new socket", None),
}


MIXED: Final = "mixed"
"""All floods at once, on a socket each."""


async def flood(name: str, port: int, counts: Counter[str]) -> None:
    """Send without end, on several sockets."""
    names = FLOODS if name == MIXED else [name] * SOCKETS
    await asyncio.gather(*(_connect_again_and_again(each, port, counts) for each in names))


async def _connect_again_and_again(name: str, port: int, counts: Counter[str]) -> None:
    """Connect, and send until the server ends the connection."""
    while True:
        with suppress(OSError, WebSocketException):  # Centrifugo limits the rate of connections, too
            if FLOODS[name].frames is None:
                await _be_refused(name, port, counts)
            else:
                await _send_all(name, port, counts)
        counts["ended"] += 1


async def _send_all(name: str, port: int, counts: Counter[str]) -> None:
    """Send commands without waiting for replies. TCP and Centrifugo decide how fast that is."""
    frames, binary = FLOODS[name].frames, FLOODS[name].binary
    assert frames is not None
    async with _open_socket(port, "?format=protobuf" if binary else "") as socket:
        if binary:
            await socket.send(_delimited(b"\x08\x01" + _field(4, _field(2, b'"anonymous"'))))
        else:
            await socket.send(_command(1, "connect", '{"data":"anonymous"}'))
        await socket.recv()
        reading = asyncio.create_task(_read(name, socket, counts))
        try:
            for number in itertools.count(2):
                await socket.send(frames(number))
                counts["sent"] += 1
        finally:
            reading.cancel()


async def _read(name: str, socket: ClientConnection, counts: Counter[str]) -> None:
    with suppress(WebSocketException):
        async for message in socket:
            lines = message.split("\n") if isinstance(message, str) else [message]
            for line in lines:
                if line == "{}":  # a ping
                    await socket.send("{}")
                else:
                    counts[name] += 1


async def _be_refused(name: str, port: int, counts: Counter[str]) -> None:
    async with _open_socket(port) as socket:
        await socket.send(_command(1, "connect", '{"data":{"password":"' + "x" * _SMALL + '"}}'))
        counts["sent"] += 1
        reply = json.loads(await socket.recv())
    counts[name] += "error" in reply


def _open_socket(port: int, parameters: str = "") -> connect:
    url = f"ws://127.0.0.1:{port}/connection/websocket{parameters}"
    return connect(url, proxy=None, compression=None, close_timeout=0.1)


async def main(name: str, port: int) -> Counter[str]:
    counts = Counter[str]()
    flooding = asyncio.create_task(flood(name, port, counts))
    end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    begun = False
    while not (flooding.done() or end.done()):
        await asyncio.wait([flooding, end], timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        if not begun and all(counts[each] for each in (FLOODS if name == MIXED else [name])):
            begun = True
            print("begun", flush=True)
    if flooding.done():
        flooding.result()
    flooding.cancel()
    return counts


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
