"""The pytest plugin: the fixture ``proxy_client``, for tests that have an ``app`` fixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import ProxyClient


@pytest.fixture
def proxy_client(request: pytest.FixtureRequest) -> Callable[..., ProxyClient]:
    """Makes clients of the application that the fixture ``app`` gives; takes what ``ProxyClient`` takes besides."""
    from .testing import ProxyClient  # whoever does not use the fixture does not load Flask

    app = request.getfixturevalue("app")

    def make(**options: Any) -> ProxyClient:
        return ProxyClient(app, **options)

    return make
