"""The pytest plugin: the fixture ``proxy_client``, and the clients' exchanges in the report of a failed test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing.client import ProxyClient


@pytest.fixture
def proxy_client(request: pytest.FixtureRequest) -> Callable[..., ProxyClient]:
    """A function that creates a ``ProxyClient`` of the fixture ``app``, with the options of ``ProxyClient``."""
    from .testing.client import ProxyClient  # here, so that tests without the fixture do not import Flask

    app = request.getfixturevalue("app")

    def create(**options: Any) -> ProxyClient:
        return ProxyClient(app, **options)

    return create


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # A test that has a client has imported the module. Other tests should not: it imports Flask.
    exchange_module: Any = sys.modules.get("proxyhooks.testing.exchange")
    if exchange_module is not None:
        recent = exchange_module.recent
        if report.when == "setup":
            recent.clear()
        elif report.failed and recent:
            report.sections.append(("Exchanges with the application", "\n".join(map(repr, recent))))
    return report
