"""How long Centrifugo waits for a reply, and what of it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from proxyhooks.centrifugo.config.checks import check
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading import read_tree
from proxyhooks.centrifugo.config.writing import ConfigOptions, generate
from proxyhooks.gunicorn.call_limit import seconds_per_call
from tests.support.backends import backend

ENDPOINT = "http://127.0.0.1:8070/centrifugo/rpc"


def findings_about(timeout: Any, *, expected: float = 3, server_timeout: float | None = None) -> list[Finding]:
    app = backend(("rpc", None), secrets=(), timeout=expected)
    proxy = {"endpoint": ENDPOINT} | ({} if timeout is None else {"timeout": timeout})
    reading = read_tree({"rpc": {"proxy": proxy, "without_namespace": {"proxy_enabled": True}}}, {})
    assert reading.findings == ()
    findings = check(reading.config, app, environ={}, server_timeout=server_timeout)
    return [finding for finding in findings if finding.path == "rpc.proxy.timeout"]


@pytest.mark.parametrize("timeout", [3_000_000_000, "3s", "3000ms"])
def test_a_number_of_nanoseconds_is_a_right_timeout(timeout: Any) -> None:
    assert findings_about(timeout) == []


@pytest.mark.parametrize(("timeout", "waits"), [(3, "3ns"), ("3us", "3µs"), ("-3s", "-3s"), (True, "1ns")])
def test_a_timeout_too_short_for_any_call_is_an_error(timeout: Any, waits: str) -> None:
    (finding,) = findings_about(timeout)
    assert (finding.id, finding.fix) == ("PH010", '"timeout": "3s"')
    assert f"waits {waits} " in finding.text
    assert ("nanoseconds" in finding.text) == (not waits.startswith("-"))


@pytest.mark.parametrize("timeout", [0, "0s", None])
def test_a_timeout_of_zero_is_the_default_of_one_second(timeout: Any) -> None:
    (finding,) = findings_about(timeout)
    assert (finding.id, finding.level) == ("PH028", "warning")
    assert "waits 1s, its default, for a reply" in finding.text
    assert findings_about(timeout, expected=1) == []


def test_a_long_timeout_of_a_file_generated_anew_has_nothing_to_say() -> None:
    app = backend(("rpc", None), timeout=90)
    options = ConfigOptions(base_url="http://127.0.0.1:8070", allowed_origins=["*"], timeout="90s")
    config = read_tree(generate(app, options).config, {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"}).config
    environ = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"}
    assert check(config, app, environ=environ, server_timeout=seconds_per_call({})) == []


def test_a_timeout_beyond_that_of_the_sync_worker_is_an_error() -> None:
    (finding,) = findings_about("90s", expected=90, server_timeout=60)
    assert (finding.id, finding.level) == ("PH011", "error")
    assert "--timeout 91" in finding.fix
    assert '"timeout"' not in finding.fix  # which would write what is there
    assert findings_about("60s", expected=60, server_timeout=60) == []
