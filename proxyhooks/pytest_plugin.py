"""The pytest plugin: the fixture ``proxy_client``, and the steps of a client in the report of a test that fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing.client import ProxyClient


@pytest.fixture
def proxy_client(request: pytest.FixtureRequest) -> Callable[..., ProxyClient]:
    """Makes clients of the application that the fixture ``app`` gives; takes what ``ProxyClient`` takes besides."""
    from .testing.client import ProxyClient  # whoever does not use the fixture does not load Flask

    app = request.getfixturevalue("app")

    def make(**options: Any) -> ProxyClient:
        return ProxyClient(app, **options)

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    steps: Any = sys.modules.get("proxyhooks.testing.exchange")  # nothing is done for tests without a client
    if steps is not None:
        if report.when == "setup":
            steps.recent.clear()
        elif report.failed and steps.recent:
            report.sections.append(("Centrifugo's steps", "\n".join(map(repr, steps.recent))))
    return report
