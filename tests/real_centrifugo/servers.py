"""Starts and stops gunicorn and Centrifugo, and writes the configuration of the latter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMED = os.environ.get("CENTRIFUGO")
BINARY = shutil.which(NAMED or "centrifugo")
"""The real Centrifugo."""
NO_BINARY = (
    f"CENTRIFUGO names {NAMED!r}, which is no program"
    if NAMED
    else "there is no centrifugo on PATH, and CENTRIFUGO names none"
)
SECRET = "s3cret"
POLL_SECRET = "p0ll"
EVENTS = ("subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh")


def binary() -> str:
    """The real Centrifugo. Without it the test is skipped; where there should be one, it fails."""
    if BINARY is None:
        (pytest.fail if NAMED else pytest.skip)(NO_BINARY)
    return BINARY


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change the servers behind the tests' back."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CENTRIFUGO", "GUNICORN"))} | more


@contextmanager
def running(command: list[str], ready: str, log: Path, **options: Any) -> Iterator[None]:
    """A server from when it answers at the URL until the end of the block."""
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output, **options) as process:
        try:
            _wait_until_ready(process, ready, log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer at {url}:\n{log.read_text()[-4000:]}")


def configuration(port: int, backend: str, log: Path, *, binary: bool) -> str:
    """Centrifugo's config.json with every proxy that it has without a PRO licence."""

    def proxy(event: str) -> dict[str, Any]:
        return {
            "endpoint": f"{backend}/centrifugo/{event}",
            "timeout": "5s",
            "binary_encoding": binary,
            "include_connection_meta": True,
            "http": {"static_headers": {"X-Proxyhooks-Secret": SECRET}},
        }

    asked = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True, "sub_refresh_proxy_enabled": True}
    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "info", "file": str(log)},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {
            "proxy": {event: {"enabled": True, **proxy(event)} for event in ("connect", "refresh")},
            # Whether a subscription has expired is looked at in this interval.
            "presence_update_interval": "1s",
            "expired_sub_close_delay": "1ms",
        },
        "channel": {
            "proxy": {event: proxy(event) for event in EVENTS},
            "without_namespace": {"subscribe_proxy_enabled": True},
            "namespaces": [
                {"name": "chat", "allow_user_limited_channels": True, **asked},
                {"name": "room", **asked},
                {
                    # No subscribe proxy: with it Centrifugo would refuse every subscription to a map.
                    "name": "board",
                    "allow_subscribe_for_client": True,
                    "subscription_type": "map",
                    "map": {
                        "mode": "ephemeral",
                        "key_ttl": "60s",
                        "publish_proxy_enabled": True,
                        "remove_proxy_enabled": True,
                    },
                },
                {
                    "name": "poll",
                    "allow_subscribe_for_client": True,
                    "subscription_type": "shared_poll",
                    "shared_poll": {"refresh_interval": "300ms"},
                },
            ],
        },
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
        "shared_poll": {"hmac_secret_key": POLL_SECRET},
        "uni_sse": {"enabled": True},
        "uni_http_stream": {"enabled": True},
        "uni_websocket": {"enabled": True},
    }
    return json.dumps(config, indent=2)
