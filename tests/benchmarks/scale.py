"""How the cost of a hook grows with functions around it, patterns, payload, threads and number of calls."""

from __future__ import annotations

import functools
import gc
import json
import resource
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
from flask import Flask, request_started, session

from proxyhooks import ProxyHooks, PublishRequest, PublishResult, RPCRequest, RPCResult
from proxyhooks._wire import json as wire_json

from .contestants import BODY, PATH, SECRET, bare, hook
from .in_process import call

Row = tuple[str, str]
"""The two cells of a row: what was measured, and the result."""
Request = tuple[Flask, bytes, str]
"""Application, body and path."""


def without_accelerators(rounds: int = 30, calls: int = 200) -> Iterator[Row]:
    """The time of a hook without orjson and without the fast path."""
    fast, slow = hook(), hook(PROXYHOOKS_FAST=False)
    ways = {
        "with both": (fast, orjson),
        "without orjson": (fast, None),
        "with `PROXYHOOKS_FAST = False`": (slow, orjson),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (app, json_library) in ways.items():
            with mock.patch.object(wire_json, "orjson", json_library):
                times[name].append(_seconds(functools.partial(_calls, (app, BODY, PATH), calls)))
    with_both, *others = (statistics.median(values) for values in times.values())
    for name, seconds in zip([*ways][1:], others, strict=True):
        yield f"a hook {name}", f"{seconds / with_both:.2f} times as long"


def functions_around(rounds: int = 30, calls: int = 200) -> Iterator[Row]:
    """A hook compared with a bare view that has the same functions around it."""
    for text, *what in (
        ("nothing around", ()),
        ("a before_request function", "before"),
        ("a teardown_appcontext function, as Flask-SQLAlchemy has", "teardown"),
        ("before_request, after_request and teardown functions", "before", "after", "teardown"),
        ("these, a signal's receiver, and a session", "before", "after", "teardown", "signal", "session"),
    ):
        apps = hook(), bare()
        kept = [_surround(app, what) for app in apps]
        requests = {number: (app, BODY, PATH) for number, app in enumerate(apps)}
        times = _interleaved(requests, rounds, calls)
        del kept
        yield text, f"{times[0] / times[1]:.2f} of a bare view that has the same"


def patterns(numbers: tuple[int, ...] = (1, 100, 10_000), rounds: int = 15, calls: int = 300) -> Iterator[Row]:
    """The time of a call with many patterns, and the time and memory that the patterns need at start."""
    apps, started, kept = {}, {}, {}
    for number in numbers:
        gc.collect()
        tracemalloc.start()
        apps[number] = _with_patterns(number)
        kept[number] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        started[number] = _seconds(functools.partial(_with_patterns, number))
    times = _interleaved({n: (app, _publish(n - 1), "/centrifugo/publish") for n, app in apps.items()}, rounds, calls)
    for number in numbers:
        ratio = times[number] / times[numbers[0]]
        start, memory = started[number], kept[number] / 1e6
        yield f"{number} patterns", f"{ratio:.2f} of the time with one; start {start:.2f} s; {memory:.1f} MB"


def payloads(sizes: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_048_576), rounds: int = 9) -> Iterator[Row]:
    """The time of a call by size of the payload in bytes."""
    app = _echo()
    bodies = {size: _body(size) for size in sizes}
    per_byte: dict[int, float] = {}
    for size, body in bodies.items():
        calls = max(1, 2_000_000 // len(body) // 20)
        per_byte[size] = _interleaved({size: (app, body, PATH)}, rounds, calls)[size] / len(body)
    for size in sizes:
        time_of_one = per_byte[size] * len(bodies[size])
        yield f"payload of {size:,} B", f"{time_of_one * 1e6:,.0f} µs, {per_byte[size] * 1e9:.1f} ns a byte"


def threads(number: int = 64, calls: int = 200, rounds: int = 7) -> Iterator[Row]:
    """The same number of calls by many threads and by one; a lock would make the threads slower."""
    app = hook()
    alone, together = [], []
    for _ in range(rounds):
        alone.append(_seconds(lambda: [call(app) for _ in range(number * calls)]))
        together.append(_seconds(lambda: _at_once(lambda: [call(app) for _ in range(calls)], number)))
    ratio = statistics.median(together) / statistics.median(alone)
    yield f"{number} threads", f"{ratio:.2f} of the time that one thread takes for as many calls"


def memory(calls: int = 1_000_000, first: int = 100_000) -> Iterator[Row]:
    """The resident memory of the process after the first calls and after all calls."""
    app = hook()
    for _ in range(first):
        call(app)
    before = _resident()
    for _ in range(calls - first):
        call(app)
    yield f"{calls:,} calls", f"{before / 1e6:.1f} MB after {first:,}, {_resident() / 1e6:.1f} MB after all"


PARTS = (without_accelerators, functions_around, patterns, payloads, threads, memory)


def _surround(app: Flask, what: list[Any]) -> object:
    """Add functions to an application; the caller keeps the returned receiver of a signal alive."""
    if "before" in what:
        app.before_request(lambda: None)
    if "after" in what:
        app.after_request(lambda response: response)
    if "teardown" in what:
        app.teardown_appcontext(lambda error: None)
    if "session" in what:
        app.secret_key = "secret"
        app.before_request(lambda: session.get("user"))

    def receive(sender: Flask, **_: Any) -> None:
        pass

    if "signal" in what:
        request_started.connect(receive, app)
    return receive


def _with_patterns(number: int) -> Flask:
    app = Flask("patterns")
    hooks = ProxyHooks(app, secrets=[SECRET])

    def publish(req: PublishRequest, room: int) -> PublishResult:
        return PublishResult()

    for n in range(number):
        hooks.publish(f"space{n}:room<int:room>")(publish)
    call(app, _publish(0), "/centrifugo/publish")
    return app


def _publish(number: int) -> bytes:
    return json.dumps({**json.loads(BODY), "channel": f"space{number}:room7"}).encode()


def _echo() -> Flask:
    app = Flask("echo")
    hooks = ProxyHooks(app, secrets=[SECRET])

    @hooks.rpc
    def echo(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.data)

    app.config["MAX_CONTENT_LENGTH"] = 2_000_000
    return app


def _body(size: int) -> bytes:
    item = {"text": "hello", "n": 1, "ok": True, "ratio": 0.5, "tags": ["a", "b"]}
    number = max(1, size // len(json.dumps(item)))
    return json.dumps({**json.loads(BODY), "data": [item] * number}).encode()


def _interleaved(requests: dict[int, Request], rounds: int, calls: int) -> dict[int, float]:
    """Seconds of one call, by key: medians of rounds in which all requests take turns."""
    times: dict[int, list[float]] = {key: [] for key in requests}
    for _ in range(rounds):
        for key, request in requests.items():
            times[key].append(_seconds(functools.partial(_calls, request, calls)))
    return {key: statistics.median(values) / calls for key, values in times.items()}


def _calls(request: Request, number: int) -> None:
    for _ in range(number):
        call(*request)


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _at_once(function: Callable[[], Any], number: int) -> None:
    running = [threading.Thread(target=function) for _ in range(number)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _resident() -> int:
    """The resident memory of the process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
