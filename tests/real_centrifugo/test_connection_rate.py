"""What ``client.connection_rate_limit`` does, which ``flask centrifugo config`` leaves out by default."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port
from tests.support.waiting import DEFAULT_TIMEOUT

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def status_of_a_connection(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEFAULT_TIMEOUT)
    connection.request("GET", "/connection/websocket", headers=UPGRADE)
    status = connection.getresponse().status
    connection.close()
    return status


def test_after_its_limit_centrifugo_accepts_one_connection_a_second(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "config.json"
    settings = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {"connection_rate_limit": 50},
    }
    config.write_text(json.dumps(settings))
    with running_centrifugo(config, port, tmp_path / "centrifugo.log"):
        began = time.monotonic()
        statuses = [status_of_a_connection(port) for _ in range(200)]
        while time.monotonic() < began + 1.0:
            statuses.append(status_of_a_connection(port))
        passed = time.monotonic() - began
    assert set(statuses) == {101, 503}
    assert 50 <= statuses.count(101) <= 50 + passed + 1
