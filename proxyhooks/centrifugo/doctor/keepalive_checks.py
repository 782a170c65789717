"""Checks across several requests: latency, keep-alive, idle connections, large headers."""

from __future__ import annotations

import http.client
import statistics
from collections.abc import Iterator
from typing import Final

from .check_result import CheckResult
from .http_client import INVALID_MESSAGE, HTTPConnection, HTTPResponse
from .options import DoctorOptions

_REQUESTS: Final = 7
_COOKIE_SIZE: Final = 16 * 1024
"""Bytes."""
_GUNICORN: Final = "gunicorn -c python:proxyhooks.gunicorn"


def check_requests(options: DoctorOptions) -> Iterator[CheckResult]:
    """Send several requests in a row: how long they take, and whether one connection is enough."""
    times, closed, version = [], 0, ""
    connection = options.connect()
    try:
        for _ in range(_REQUESTS):
            response = _request(connection, options)
            times.append(response.seconds)
            version = response.version
            if not response.keeps_connection:
                closed += 1
                connection.close()
                connection = options.connect()
    finally:
        connection.close()
    yield latency_result(times, options.timeout)
    if closed:
        text = f"the server closes the connection after a reply ({version}): Centrifugo opens one for each call"
        fix = (
            f"gunicorn's sync worker and flask run have no keep-alive: use {_GUNICORN}; a reverse proxy has a setting "
            "for it"
        )
        yield CheckResult("keep-alive", "warning", text, fix)
    else:
        yield CheckResult("keep-alive", "ok", f"{_REQUESTS} requests used one connection ({version})")


def latency_result(times: list[float], timeout: float) -> CheckResult:
    """Compare the times of replies with the timeout; all in seconds."""
    median, longest = statistics.median(times), max(times)
    measured = f"{len(times)} replies took {median * 1000:.1f} ms (median), {longest * 1000:.1f} ms (maximum)"
    if longest > timeout / 2:
        text = f"{measured}, more than half of the timeout of {timeout:g} s, and no hook ran"
        return CheckResult("latency", "warning", text, "bring the two servers closer together, or raise the timeout")
    return CheckResult("latency", "ok", f"{measured}; the timeout of {timeout:g} s must also cover the hook")


def check_idle_connection(options: DoctorOptions) -> Iterator[CheckResult]:
    """Leave a connection idle, then use it again."""
    if not options.idle:
        return
    with options.connect() as connection:
        if not _request(connection, options).keeps_connection:
            return  # no keep-alive, which check_requests reports
        closed_after = connection.wait_for_close(options.idle)
        if closed_after is None:
            try:
                _request(connection, options)
            except (ConnectionError, http.client.HTTPException):
                closed_after = options.idle
    if closed_after is None:
        yield CheckResult("idle", "ok", f"a connection that was idle for {options.idle:g} s still works")
        return
    text = (
        f"the server closed a connection that was idle for {closed_after:.1f} s: Centrifugo keeps idle connections, "
        "and a call that it sends at that moment fails"
    )
    fix = f"raise gunicorn's keepalive, as {_GUNICORN} does; in a reverse proxy raise the timeout of idle connections"
    yield CheckResult("idle", "warning", text, fix)


def check_large_headers(options: DoctorOptions) -> Iterator[CheckResult]:
    """Send a large cookie, which Centrifugo forwards if ``Cookie`` is among its headers."""
    cookie, size = f"large={'x' * (_COOKIE_SIZE - 6)}", f"{_COOKIE_SIZE // 1024} KiB"
    with options.connect() as connection:
        usual_status = _request(connection, options).status
    with options.connect() as connection:
        try:
            status = _request(connection, options, (("Cookie", cookie),)).status
            problem = "" if status == usual_status else f"is answered with {status}"
        except (ConnectionError, http.client.HTTPException):
            problem = "breaks the connection"
    if not problem:
        yield CheckResult("large-headers", "ok", f"a request with a cookie of {size} is accepted")
        return
    text = f"a request with a cookie of {size} {problem}: clients with such cookies always get error 100"
    fix = f"raise gunicorn's limit_request_field_size, as {_GUNICORN} does; in nginx large_client_header_buffers"
    yield CheckResult("large-headers", "warning", text, fix)


def _request(
    connection: HTTPConnection, options: DoctorOptions, headers: tuple[tuple[str, str], ...] = ()
) -> HTTPResponse:
    return connection.request(INVALID_MESSAGE, secret=options.secret, headers=headers)
