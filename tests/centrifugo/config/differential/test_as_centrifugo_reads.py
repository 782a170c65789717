"""The package's reader accepts, refuses and reads what Centrifugo does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.centrifugo.config.differential.comparing import Verdict, difference, different_values
from tests.centrifugo.config.differential.generator import Generator
from tests.centrifugo.config.differential.running import Result, compare, compare_generated
from tests.centrifugo.config.differential.texts import CASES
from tests.support.centrifugo import centrifugo_binary

GENERATED = 100
"""Many more: ``python -m tests.centrifugo.config.differential --cases 2000``."""


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
