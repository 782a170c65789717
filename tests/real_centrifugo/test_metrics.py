"""The metrics of the package beside those of Centrifugo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from proxyhooks import ConnectResult, ProxyHooks
from proxyhooks._wire.metric_table import DURATION_BUCKETS
from tests.real_centrifugo.client import Client
from tests.support import http_client
from tests.support.centrifugo import running_centrifugo
from tests.support.paths import SECRET
from tests.support.servers import free_port, serving_in_thread

HISTOGRAM = "centrifugo_proxy_duration_seconds_histogram"


def test_durations_have_the_buckets_of_centrifugos_own_histogram_of_proxy_calls(tmp_path: Path) -> None:
    app = Flask("app")
    ProxyHooks(app, secrets=[SECRET]).connect(lambda req: ConnectResult(user="42"))
    port, config = free_port(), tmp_path / "config.json"
    with serving_in_thread(app) as backend:
        proxy = {
            "enabled": True,
            "endpoint": f"http://127.0.0.1:{backend}/centrifugo/connect",
            "http": {"static_headers": {"X-Proxyhooks-Secret": SECRET}},
        }
        settings = {
            "http_server": {"address": "127.0.0.1", "port": port},
            "health": {"enabled": True},
            "prometheus": {"enabled": True},
            "usage_stats": {"disabled": True},
            "client": {"proxy": {"connect": proxy}},
        }
        config.write_text(json.dumps(settings))
        with running_centrifugo(config, port, tmp_path / "centrifugo.log"):
            client = Client(f"127.0.0.1:{port}")
            assert client.ask("connect")["connect"]["client"]
            client.close()
            text = http_client.request(port, "GET", "/metrics").text
    families: Any = text_string_to_metric_families
    (histogram,) = [family for family in families(text) if family.name == HISTOGRAM]
    buckets = {sample.labels["le"] for sample in histogram.samples if sample.name == f"{HISTOGRAM}_bucket"}
    assert {float(bound) for bound in buckets} == {*DURATION_BUCKETS, float("inf")}
