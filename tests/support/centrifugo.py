"""Where the real Centrifugo is, and how it is started."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from proxyhooks.cli import centrifugo
from tests.support.paths import ROOT, SECRET
from tests.support.servers import answers, free_port, running_server, server_environment, serving_in_thread

get_centrifugo = importlib.import_module("deploy.get_centrifugo")  # by name: mypy knows the file as one of scripts

_NAME = os.environ.get("CENTRIFUGO")
_PATH: str | None = shutil.which(_NAME) if _NAME else get_centrifugo.installed()


def _why_missing() -> str | None:
    if _PATH is not None:
        return None
    if _NAME:
        return f"the environment variable CENTRIFUGO names {_NAME!r}, which is no program"
    return (
        "centrifugo is not on PATH, the environment variable CENTRIFUGO does not name it, "
        "and deploy/get_centrifugo.py, which needs Go, has not built it"
    )


MISSING = _why_missing()
"""Why there is no Centrifugo to test against, or None."""
MISSING_BUT_NAMED = bool(MISSING and _NAME)
"""Whether the tests that need Centrifugo fail: they are skipped only if no program is named."""


def centrifugo_binary() -> str:
    """The path of the program. Tests that call this have the marker ``centrifugo``."""
    assert _PATH is not None, MISSING
    return _PATH


_PROXIES = (
    "CLIENT_PROXY_CONNECT",
    "CLIENT_PROXY_REFRESH",
    "CHANNEL_PROXY_SUBSCRIBE",
    "CHANNEL_PROXY_PUBLISH",
    "CHANNEL_PROXY_SUB_REFRESH",
    "CHANNEL_PROXY_MAP_PUBLISH",
    "CHANNEL_PROXY_MAP_REMOVE",
    "CHANNEL_PROXY_SHARED_POLL_REFRESH",
    "RPC_PROXY",
)
_PATIENT = {f"CENTRIFUGO_{proxy}_TIMEOUT": "60s" for proxy in _PROXIES} | {"CENTRIFUGO_CLIENT_PING_INTERVAL": "1h"}
"""Time limits for calls, and for a client that reads nothing for a while and so sends no pong."""


@contextmanager
def running_centrifugo(
    config: Path,
    port: int,
    log: Path,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    patient: bool = True,
) -> Iterator[subprocess.Popen[bytes]]:
    """A Centrifugo, which must have its health endpoint on the port.

    :param env: :func:`server_environment` if left out.
    :param patient: whether its time limits for calls and clients are so long that no loaded machine reaches them.
    """
    command = [centrifugo_binary(), "-c", str(config)]
    env = dict(server_environment() if env is None else env) | (_PATIENT if patient else {})
    with running_server(command, log, is_ready=lambda: answers(port, "/health"), cwd=cwd, env=env) as process:
        yield process


@contextmanager
def running_written_config(config: Path, **variables: str) -> Iterator[int]:
    """Run Centrifugo on a free port of this machine with a configuration of the command ``config``; yield the port.

    :param variables: of its environment.
    """
    port = free_port()
    environment = server_environment(
        CENTRIFUGO_USAGE_STATS_DISABLED="true",
        CENTRIFUGO_HTTP_SERVER_PORT=str(port),
        CENTRIFUGO_HTTP_SERVER_ADDRESS="127.0.0.1",
        **variables,
    )
    with running_centrifugo(config, port, config.with_name("centrifugo.log"), env=environment):
        yield port


@contextmanager
def serving_through_centrifugo(app: Flask, here: Path, **variables: str) -> Iterator[int]:
    """Serve the application from a thread, behind a Centrifugo with the configuration of its hooks; yield its port.

    :param variables: of Centrifugo's environment.
    """
    config = here / "config.json"
    with serving_in_thread(app) as backend:
        command = ["config", "--base-url", f"http://127.0.0.1:{backend}", "--output", str(config)]
        made = app.test_cli_runner().invoke(centrifugo, [*command, "--allowed-origin", "https://page.example"])
        assert made.exit_code == 0, made.output
        with running_written_config(config, CENTRIFUGO_VAR_PROXYHOOKS_SECRET=SECRET, **variables) as port:
            yield port
