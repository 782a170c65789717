"""How a server behaves from one request to the next: how long it takes, what it keeps open, what it has room for."""

from __future__ import annotations

import http.client
import statistics
from collections.abc import Iterator
from typing import Final

from .http_client import NOT_A_MESSAGE, CheckResult, DoctorOptions, HTTPConnection

_CALLS: Final = 7
_COOKIE: Final = 16 * 1024
"""Bytes."""
_OURS: Final = "gunicorn -c python:proxyhooks.gunicorn is set up for it"


def calls(target: DoctorOptions) -> Iterator[CheckResult]:
    """Several requests, one after another: the time they take, and whether one connection is enough."""
    took, closed, version = [], 0, ""
    line = target.open()
    try:
        for _ in range(_CALLS):
            reply = line.ask(target.backend.path(), NOT_A_MESSAGE, secret=target.secret)
            took.append(reply.seconds)
            version = reply.version
            if not reply.stays:
                closed += 1
                line.close()
                line = target.open()
    finally:
        line.close()
    yield latency(took, target.timeout)
    if closed:
        text = f"the server closes the connection after a reply ({version}): Centrifugo opens one for each event"
        fix = f"gunicorn's sync worker and flask run have no keep-alive, {_OURS}; a proxy in between may need it, too"
        yield CheckResult("keep_alive", "warning", text, fix)
    else:
        yield CheckResult("keep_alive", "ok", f"{_CALLS} requests went over one connection ({version})")


def latency(took: list[float], timeout: float) -> CheckResult:
    """What these times, in seconds, mean where that is the timeout."""
    median, worst = statistics.median(took), max(took)
    times = f"{len(took)} replies took {median * 1000:.1f} ms (median), {worst * 1000:.1f} ms (the slowest)"
    if worst > timeout / 2:
        text = f"{times}: more than half of the timeout, {timeout:g} s, and no hook has run yet"
        return CheckResult("latency", "warning", text, "bring the two servers closer together, or raise the timeout")
    return CheckResult("latency", "ok", f"{times}; the timeout is {timeout:g} s, for these and the hook together")


def idle(target: DoctorOptions) -> Iterator[CheckResult]:
    """Whether a connection that was left alone is still good."""
    if not target.idle:
        return
    with target.open() as line:
        if not _ask(line, target):
            return  # it has no keep-alive, which has been said
        after = line.idle(target.idle)
        if after is None:
            try:
                _ask(line, target)
            except (ConnectionError, http.client.HTTPException):
                after = target.idle
    if after is None:
        yield CheckResult("idle", "ok", f"a connection that was idle for {target.idle:g} s is still good")
        return
    text = (
        f"the server closed a connection that was idle for {after:.1f} s: Centrifugo keeps them, and an event that is "
        "sent just then is lost"
    )
    fix = f"raise gunicorn's keepalive, {_OURS}; in a proxy in between its time for idle connections"
    yield CheckResult("idle", "warning", text, fix)


def _ask(line: HTTPConnection, target: DoctorOptions) -> bool:
    return line.ask(target.backend.path(), NOT_A_MESSAGE, secret=target.secret).stays


def large_headers(target: DoctorOptions) -> Iterator[CheckResult]:
    """Whether a large cookie, which Centrifugo would forward, gets through."""
    cookie = (("Cookie", f"large={'x' * (_COOKIE - 6)}"),)
    path, size = target.backend.path(), f"{_COOKIE // 1024} KiB"
    with target.open() as line:
        usual = line.ask(path, NOT_A_MESSAGE, secret=target.secret).status
    with target.open() as line:
        try:
            status = line.ask(path, NOT_A_MESSAGE, secret=target.secret, headers=cookie).status
            said = "" if status == usual else f"answered {status}"
        except (ConnectionError, http.client.HTTPException):
            said = "cut off"
    if not said:
        yield CheckResult("large_headers", "ok", f"a cookie of {size} gets through")
        return
    text = f"a request with a cookie of {size} is {said}: whose cookies are that large gets error 100, for ever"
    fix = f"raise gunicorn's limit_request_field_size, {_OURS}; in nginx large_client_header_buffers"
    yield CheckResult("large_headers", "warning", text, fix)
