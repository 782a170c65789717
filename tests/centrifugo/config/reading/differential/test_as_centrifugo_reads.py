"""The package's reader accepts, refuses and reads what Centrifugo does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxyhooks.centrifugo.config.reading import read_config
from tests.centrifugo.config.reading.differential.comparing import Verdict, difference, different_values
from tests.centrifugo.config.reading.differential.generator import Generator
from tests.centrifugo.config.reading.differential.running import Result, compare, compare_generated
from tests.centrifugo.config.reading.differential.texts import CASES
from tests.support.centrifugo import centrifugo_binary, running_centrifugo
from tests.support.servers import free_port, server_environment
from tests.support.waiting import wait_until

GENERATED = 80
"""Many more: ``python -m tests.centrifugo.config.reading.differential --cases 2000``."""


def reports(result: Result) -> str:
    return "\n\n".join(f"{kind}: {report}" for kind, report in result.differences)


@pytest.mark.centrifugo
def test_generated_configurations_are_read_as_centrifugo_reads_them(tmp_path: Path) -> None:
    result = compare_generated(centrifugo_binary(), GENERATED, "ordinary", tmp_path)
    assert not result.differences, reports(result)
    assert {"accepted", "reading", "validating"} == result.verdicts.keys()
    assert result.compared_values > 0


@pytest.mark.centrifugo
def test_odd_files_and_variables_are_read_as_centrifugo_reads_them(tmp_path: Path) -> None:
    result = compare(centrifugo_binary(), CASES, tmp_path, with_values=1)
    assert not result.differences, reports(result)


@pytest.mark.centrifugo
def test_the_unknown_variables_are_those_that_centrifugo_warns_about(tmp_path: Path) -> None:
    port = free_port()
    config, log = tmp_path / "c.json", tmp_path / "log"
    server = {"port": port, "address": "127.0.0.1"}
    values = {"http_server": server, "health": {"enabled": True}, "channel": {"namespaces": [{"name": "my-chat"}]}}
    config.write_text(json.dumps(values))
    names = [
        "X", "VAR_A", "CLIENT", "ADMIN", "REPORT", "SERVICES", "FOO_SERVICE_HOST", "SERVICE_HOST", "X_PORT_80_TCP",
        "CHANNEL_NAMESPACES_NEWS_PRESENCE", "CHANNEL_NAMESPACES_MY_CHAT_PRESENCE", "HTTP_SERVER_TLS", "PROXIES_X",
    ]  # fmt: skip
    environ = {f"CENTRIFUGO_{name}": "1" for name in names}
    environ["CENTRIFUGO_PORT"] = "tcp://10.0.0.1:8000"
    with running_centrifugo(config, port, log, env=server_environment(**environ)):
        wait_until(lambda: b"HTTP_SERVER_TLS" in log.read_bytes(), "the warnings")
    lines = [json.loads(line) for line in log.read_text().splitlines() if "unknown var" in line]
    findings = read_config(config, environ).findings
    assert {line["var"] for line in lines} == {finding.path for finding in findings}
    assert {finding.id for finding in findings} == {"PH030"}


def test_the_generator_makes_the_same_case_of_a_seed() -> None:
    assert Generator().case("x") == Generator().case("x")
    cases = [Generator().case(str(number)) for number in range(200)]
    assert {case.name for case in cases} == {"c.json", "c.yaml", "c.yml", "c.toml"}
    assert sum("CENTRIFUGO_CLIENT" in str(case.environ) for case in cases) > 5


@pytest.mark.parametrize(
    ("theirs", "ours", "kind"),
    [
        (Verdict("", ""), Verdict("", ""), ""),
        (Verdict("reading", ""), Verdict("reading", ""), ""),
        (Verdict("validating", ""), Verdict("reading", ""), ""),
        (Verdict("", ""), Verdict("reading", ""), "accepted and reading"),
        (Verdict("reading", ""), Verdict("", ""), "reading and accepted"),
        (Verdict("reading", ""), Verdict("validating", ""), "reading and validating"),
        (Verdict("validating", ""), Verdict("", ""), "validating and accepted"),
    ],
)
def test_a_disagreement_is_noticed(theirs: Verdict, ours: Verdict, kind: str) -> None:
    assert difference(theirs, ours) == kind


def test_a_different_value_is_noticed() -> None:
    theirs = {"client": {"concurrency": 5, "ping_interval": "25s"}}
    assert "client.concurrency: 5 and 0" in different_values(theirs, {}, {})
    assert "client.ping_interval: '25s' and '25s'" not in different_values(theirs, {}, {})
    assert "proxies: 0 and 1 items" in different_values(theirs, {"proxies": [{}]}, {})
