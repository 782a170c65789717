"""Hooks of pytest: a test that hangs shows its stacks also in a process of pytest-xdist."""

from __future__ import annotations

import faulthandler
from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Let the processes inherit stderr. This process itself runs no test whose output it could capture."""
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    capture.suspend_global_capture()


def pytest_configure(config: pytest.Config) -> None:
    """Write the stacks to stderr in a process of pytest-xdist, which has no stdout. Then pytest-timeout ends it."""
    if hasattr(config, "workerinput"):
        timeout: Any = config.pluginmanager.get_plugin("timeout")
        timeout.dump_stacks = lambda terminal: faulthandler.dump_traceback(2)  # stderr itself
