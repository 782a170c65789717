"""Caddy with deploy/caddy/Caddyfile."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.replacing import read_with
from tests.support.servers import accepts_connections, running_server, server_environment

FILE = ROOT / "deploy" / "caddy" / "Caddyfile"
needs_caddy = pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")


def write_caddy(here: Path, redirects: int, replacements: Mapping[str, str]) -> Path:
    """Write a copy of the file.

    :param redirects: the port that redirects to HTTPS.
    :param replacements: texts of the file and what replaces them.
    """
    here.mkdir(exist_ok=True)
    # These ports need no root, and these certificates need no server on the internet.
    text = read_with(FILE, replacements).replace(
        "\n{\n", f"\n{{\n\tadmin off\n\thttp_port {redirects}\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n", 1
    )
    config = here / "Caddyfile"
    config.write_text(text)
    return config


def _environment(here: Path) -> dict[str, str]:
    return server_environment(XDG_DATA_HOME=str(here), XDG_CONFIG_HOME=str(here), HOME=str(here))


def run_caddy(command: str, *more: str, here: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["caddy", command, *more], env=_environment(here), capture_output=True, text=True, timeout=300
    )


@contextmanager
def running_caddy(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Caddy, from when it accepts connections on the port."""
    here = config.parent
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]
    ready = functools.partial(accepts_connections, port)
    with running_server(command, here / "caddy.log", is_ready=ready, env=_environment(here)) as process:
        yield process
