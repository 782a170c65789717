"""nginx with files of deploy/nginx."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.replacing import read_with
from tests.support.servers import accepts_connections, running_server

FILES = ROOT / "deploy" / "nginx"
PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")

# What belongs outside of the copied files. All of it is in the directory of the test, so that no root is needed.
_MAIN = """
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 4000; }}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    access_log access.log;
    {includes}
}}
"""


def write_nginx(here: Path, files: Mapping[str, Mapping[str, str]]) -> Path:
    """Write a configuration with copies of the files.

    :param files: for each name of a file, texts of it and what replaces them in the copy.
    """
    here.mkdir(exist_ok=True)
    for name, replacements in files.items():
        (here / name).write_text(read_with(FILES / name, replacements))
    config = here / "nginx.conf"
    config.write_text(_MAIN.format(includes="\n    ".join(f"include {here / name};" for name in files)))
    return config


def backends(*ports: int) -> dict[str, str]:
    """The replacement in upstreams.conf that names these backends."""
    line = "    server 127.0.0.1:8070 {};\n"
    options = "max_fails=3 fail_timeout=2s"
    return {line.format(options): "".join(line.replace("8070", str(port)).format(options) for port in ports)}


def site_listens(plain: int, tls: int) -> dict[str, str]:
    """The replacements in site.conf for other ports, which need no root."""
    return {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
        "listen [::]:443 ssl http2;": "",
        "https://$host": f"https://$host:{tls}",
    }


def hooks_listen(port: int) -> dict[str, str]:
    """The replacement in hooks.conf for another port."""
    return {"listen 8443 ssl": f"listen 127.0.0.1:{port} ssl"}


def hooks_without_tls(port: int) -> dict[str, str]:
    """The replacements in hooks.conf for callers that speak no TLS."""
    certificates = ("ssl_certificate ", "ssl_certificate_key ", "ssl_client_certificate ", "ssl_verify_client ")
    return {"listen 8443 ssl;": f"listen 127.0.0.1:{port};"} | {f"    {name}": f"    # {name}" for name in certificates}


def site_without_tls(port: int, redirect: int) -> dict[str, str]:
    """The replacements in site.conf for clients that speak no TLS.

    :param redirect: the port in place of 80, which has a redirect only.
    """
    return {
        "listen 80;": f"listen 127.0.0.1:{redirect};",
        "listen [::]:80;": "",
        "listen [::]:443 ssl http2;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port};",
    } | {f"    {name}": f"    # {name}" for name in ("ssl_certificate ", "ssl_certificate_key ")}


def command(config: Path, *more: str) -> list[str]:
    assert PROGRAM is not None
    return [PROGRAM, "-p", str(config.parent), "-c", str(config), "-e", "stderr", *more]


def check_nginx(config: Path) -> subprocess.CompletedProcess[str]:
    """``nginx -t``."""
    return subprocess.run(command(config, "-t"), capture_output=True, text=True, timeout=300)


@contextmanager
def running_nginx(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """nginx, from when it accepts connections on the port."""
    log = config.parent / "nginx.log"
    with running_server(command(config), log, is_ready=lambda: accepts_connections(port)) as process:
        yield process
