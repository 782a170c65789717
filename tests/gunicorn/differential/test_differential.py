"""The package's worker answers the same bytes as gunicorn's gthread does, and shows the application the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gunicorn.differential.comparing import Result, report
from tests.gunicorn.differential.generator import Generator
from tests.gunicorn.differential.running import comparison
from tests.gunicorn.differential.servers import CONFIGURATIONS, WORKER, Configuration

CASES = 96
"""For each configuration. Many more: ``python -m tests.gunicorn.differential --cases 100000``."""

WITH_PYTHON_PARSER = ("bare", "package", "hooks and logs", "headers refused", "proxy v1", "TLS")
"""The configurations that are also compared without gunicorn_h1c."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="clients use many addresses of 127.0.0.0/8")


def compared(
    configuration: Configuration, directory: Path, *, cases: int = CASES, until_different: bool = False, **right: Any
) -> Result:
    """Compare gthread with another server of the configuration.

    :param right: what the other server has, as :func:`serving` takes it.
    """
    missing = configuration.missing()
    if missing:
        pytest.skip(f"{missing} is not installed")
    generator = Generator(configuration.profile)
    left = {"parser": right.get("parser", "python")}
    with comparison(configuration, directory, left, right) as compare:
        count = cases if configuration.at_once > 1 else cases // 4
        generated = [generator.case(f"{configuration.name} {number}") for number in range(count)]
        return compare.run(generated, until_different=until_different)


def reports(result: Result) -> str:
    """Return the first case of each kind of difference."""
    return "\n".join(f"{kind}:\n{report(differences[0])}" for kind, differences in result.differences.items())


@pytest.mark.parametrize(
    ("configuration", "parser"),
    [
        pytest.param(configuration, parser, id=f"{configuration.name}, {parser}")
        for configuration in CONFIGURATIONS.values()
        for parser in ("python", "auto")
        # Most settings change only what gunicorn's own code does, so one parser is enough for them.
        if parser == "auto" or configuration.name in WITH_PYTHON_PARSER
    ],
)
def test_the_worker_does_what_gthread_does(configuration: Configuration, parser: str, tmp_path: Path) -> None:
    result = compared(configuration, tmp_path, worker_class=WORKER, parser=parser)
    assert not result.differences, reports(result)


@pytest.mark.parametrize("parser", ["python", "auto"])
def test_two_servers_of_the_same_kind_do_the_same(parser: str, tmp_path: Path) -> None:
    result = compared(CONFIGURATIONS["hooks and logs"], tmp_path, parser=parser)
    assert not result.differences, reports(result)
    assert not result.intended
    assert {"100", "200", "204", "304", "400", "404", "500"} <= set(result.replies)


@pytest.mark.parametrize(
    "settings",
    [
        {"keepalive": 0},
        {"header_map": "dangerous"},
        {"forwarded_allow_ips": "127.3.0.0/16"},
        {"secure_scheme_headers": {"X-FORWARDED-PROTO": "http"}},
        {"limit_request_fields": 4},
        {"accesslog": None},
        {"without_hooks": True},
        {"raw_environ": {"SCRIPT_NAME": "/"}},
    ],
    ids=str,
)
def test_a_server_with_another_setting_is_found_out(settings: dict[str, Any], tmp_path: Path) -> None:
    configuration = CONFIGURATIONS["hooks and logs"]
    assert compared(configuration, tmp_path, cases=320, until_different=True, **settings).differences
