"""Fixtures of many tests, and the markers that follow from the folder of a test."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from proxyhooks import ProxyHooks
from proxyhooks._wire.log import rate_limited
from tests.support import centrifugo
from tests.support.asking import Ask
from tests.support.hanging import pytest_configure, pytest_xdist_setupnodes  # noqa: F401  # hooks of this conftest
from tests.support.paths import ROOT, SECRET
from tests.support.wheel import build_wheel

# By folder or file. A test also has the markers that its file or function gives itself.
MARKERS = {
    "tests/benchmarks": "benchmarks",
    "tests/browser": "browser",
    "tests/cli/test_cli.py": "slow",
    "tests/deploy": "server",
    "tests/docs/test_guides.py": "server",
    "tests/docs/test_readme.py": "server",
    "tests/examples/test_templates.py": "slow",
    "tests/gunicorn/test_fresh_import.py": "slow",
    "tests/gunicorn/differential": "server",
    "tests/gunicorn/test_graceful_stop.py": "slow",
    "tests/gunicorn/metrics/test_served.py": "server",
    "tests/gunicorn/test_gunicorn.py": "server",
    "tests/gunicorn/worker/test_worker.py": "server",
    "tests/real_centrifugo": "centrifugo",
    "tests/reliability": "reliability",
    "tests/test_typing.py": "slow",
    "tests/test_wheel.py": "slow",
    "tests/testing/test_pytest_plugin.py": "slow",
}
UNIT_EXAMPLES = 25
"""Examples of a property test in the profile ``unit``, where the test itself names no number."""


# An example may take any time, since other tests and other programs run at the same time.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")
hypothesis.settings.register_profile("unit", max_examples=UNIT_EXAMPLES)


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        for start, marker in MARKERS.items():
            if path == start or path.startswith(f"{start}/"):
                item.add_marker(marker)


@pytest.hookimpl(tryfirst=True)  # before the fixtures of the test
def pytest_runtest_setup(item: pytest.Item) -> None:
    if centrifugo.MISSING is not None and item.get_closest_marker("centrifugo"):
        (pytest.fail if centrifugo.MISSING_BUT_NAMED else pytest.skip)(centrifugo.MISSING)


@pytest.fixture(autouse=True)
def log_forgets_other_tests() -> None:
    rate_limited.limit.reset()


@pytest.fixture
def log_without_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two seconds pass between the lines that callers can cause."""
    monkeypatch.setattr(rate_limited.limit, "clock", itertools.count(step=2.0).__next__)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def app() -> Flask:
    app = Flask("app")
    app.config.update(PROXYHOOKS_SECRETS=[SECRET], SECRET_KEY="for sessions")
    return app


@pytest.fixture
def hooks(app: Flask) -> ProxyHooks:
    return ProxyHooks(app)


@pytest.fixture
def ask(app: Flask) -> Ask:
    """Send an event as Centrifugo does: ``ask("rpc", method="x", data=1)``, or ``ask("rpc", b"...")``."""

    def send(
        event: str, body: bytes | None = None, /, headers: dict[str, str] | None = None, **fields: Any
    ) -> TestResponse:
        return app.test_client().post(
            f"/centrifugo/{event}",
            data=json.dumps(fields).encode() if body is None else body,
            headers={"X-Proxyhooks-Secret": SECRET, "Content-Type": "application/json", **(headers or {})},
        )

    return send
