"""What the guide says about versions of publications, with the server API of a real Centrifugo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cent import Client, HistoryRequest, PublishRequest

from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port

pytestmark = pytest.mark.centrifugo


def test_a_publication_that_is_older_than_the_last_one_is_dropped(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "config.json"
    namespace = {"name": "shop", "history_size": 10, "history_ttl": "60s"}
    server = {"http_server": {"port": port}, "health": {"enabled": True}, "http_api": {"key": "k"}}
    config.write_text(json.dumps(server | {"channel": {"namespaces": [namespace]}}))
    with (
        running_centrifugo(config, port, tmp_path / "log"),
        Client(f"http://127.0.0.1:{port}/api", "k", timeout=10) as api,
    ):
        for version in (1, 3, 2, 3, 4):
            publication = {"channel": "shop:1", "data": version, "version": version}
            api.publish(PublishRequest.model_validate(publication))  # cent sends a field that its type does not have
        history = api.history(HistoryRequest(channel="shop:1", limit=10))
    assert [publication.data for publication in history.publications] == [1, 3, 4]
