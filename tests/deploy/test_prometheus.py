"""The files in deploy/prometheus, by the tool of Prometheus."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.rule_files import ALERTS, FILES, alerts, read, write

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH; Debian's prometheus has it")


def promtool(*words: str, cwd: Path = FILES) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@needs_promtool
def test_prometheus_accepts_configuration_and_rules() -> None:
    checked = promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 rule files found" in checked.stdout


@needs_promtool
def test_alerts_fire_and_stay_silent_as_their_tests_say() -> None:
    tested = promtool("test", "rules", "rules_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def never_fire(alert: dict[str, Any]) -> None:
    alert["expr"] = "vector(0) > 1"


def always_fire(alert: dict[str, Any]) -> None:
    alert["expr"] = "vector(1)"


def fire_at_once(alert: dict[str, Any]) -> None:
    alert.pop("for", None)


@needs_promtool
@pytest.mark.parametrize("change", [never_fire, always_fire, fire_at_once], ids=lambda change: change.__name__)
def test_tests_of_alerts_fail_for_each_alert_that_is_wrong(
    change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    rules = read(FILES / "rules.yml")
    changed = set()
    for alert in alerts(rules):
        before = dict(alert)
        change(alert)
        if alert != before:
            changed.add(alert["alert"])
    write(tmp_path / "rules.yml", rules)
    # The first test says that none fires, which would hide whether each alert's own test can fail.
    _, *own = read(FILES / "rules_test.yml")["tests"]
    write(tmp_path / "rules_test.yml", {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": own})
    tested = promtool("test", "rules", "rules_test.yml", cwd=tmp_path)
    assert tested.returncode == 1
    failed = "\n".join(re.findall(r"(?:expr|exp|got): .*", tested.stdout + tested.stderr))
    assert changed
    assert {name for name in changed if name not in failed} == set()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_affected_what_it_means_and_how_bad_it_is(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert set(alert["annotations"]) == {"summary", "description"}
    assert "{{ $" in alert["annotations"]["summary"]
    assert "{{" not in alert["annotations"]["description"], "the table in deploy/README.md has it as it is"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_that_fires_is_tested(name: str) -> None:
    tests = read(FILES / "rules_test.yml")["tests"]
    expected = [case for test in tests for case in test["promql_expr_test"] if case.get("exp_samples")]
    assert any(name in str(case) for case in expected)
