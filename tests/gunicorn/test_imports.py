"""What importing the settings costs, and what gunicorn reads from the module."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from gunicorn.config import KNOWN_SETTINGS

import proxyhooks.gunicorn
from proxyhooks.gunicorn import server_hooks, settings

OPENED = """
import importlib
import sys

sys.modules["fcntl"] = None
opened = []


def record(event, arguments):
    # Python opens the modules themselves, too.
    if event in ("open", "tempfile.mkstemp", "tempfile.mkdtemp", "mmap.__new__"):
        name = str(arguments[0])
        # The kernel says there how many CPUs this process may use.
        if not name.endswith((".py", ".pyc", ".so")) and not name.startswith(("/proc/", "/sys/fs/cgroup/")):
            opened.append((event, *arguments))


sys.addaudithook(record)
importlib.import_module(sys.argv[1])
assert not opened, opened
print("imported")
"""


@pytest.mark.parametrize(
    "module", ["proxyhooks", "proxyhooks.gunicorn", "proxyhooks.gunicorn.settings", "proxyhooks.cli.check"]
)
def test_a_module_is_imported_without_fcntl_and_opens_nothing(module: str) -> None:
    command = [sys.executable, "-B", "-c", OPENED, module]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (printed.stdout, printed.stderr) == ("imported\n", "")


def test_gunicorn_finds_the_settings_and_hooks_and_nothing_else() -> None:
    """gunicorn takes each name of the module that is one of its settings; a submodule of that name would be taken."""
    known = {setting.name for setting in KNOWN_SETTINGS}
    assert known & vars(proxyhooks.gunicorn).keys() == {*settings.__all__, *server_hooks.__all__}
    assert sorted(proxyhooks.gunicorn.__all__) == sorted([*settings.__all__, *server_hooks.__all__])
    for module in (settings, server_hooks):
        for name in module.__all__:
            assert getattr(proxyhooks.gunicorn, name) is getattr(module, name)


@pytest.mark.parametrize(("is_writable", "expected"), [(True, "/dev/shm"), (False, None)])
def test_the_files_of_the_workers_are_in_memory_where_that_can_be_written(
    is_writable: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: is_writable)
    spec = importlib.util.find_spec(settings.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.worker_tmp_dir == expected
