"""The pytest plugin: the fixture ``proxy_client``, and a client's exchanges in the report of a failed test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing.client import ProxyClient


@pytest.fixture
def proxy_client(request: pytest.FixtureRequest) -> Callable[..., ProxyClient]:
    """Create a ``ProxyClient`` of the fixture ``app``; the arguments are those of ``ProxyClient``."""
    from .testing.client import ProxyClient  # here, so that tests without the fixture do not import Flask

    app = request.getfixturevalue("app")

    def create(**options: Any) -> ProxyClient:
        return ProxyClient(app, **options)

    return create


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    exchange: Any = sys.modules.get("proxyhooks.testing.exchange")  # not imported if no test has a client
    if exchange is not None:
        if report.when == "setup":
            exchange.recent.clear()
        elif report.failed and exchange.recent:
            report.sections.append(("Exchanges with the application", "\n".join(map(repr, exchange.recent))))
    return report
