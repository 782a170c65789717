"""Metrics without ``proxyhooks.gunicorn``: in an exposition of the user, with one process or several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxyhooks._wire.metric_table import METRICS

EXPOSITION = """
import os, sys, time
from flask import Flask
from proxyhooks import ProxyHooks, RPCResult, after_reply, metrics

app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])

@hooks.rpc("echo")
def echo(req):
    return RPCResult(data=1)

assert "prometheus_client" not in sys.modules
metrics.enable()
metrics.enable(app)
for secret in ("s3cret", "wrong"):
    app.test_client().post("/centrifugo/rpc", json={"method": "echo"}, headers={"X-Proxyhooks-Secret": secret})
time.sleep(float(sys.argv[1]))
from prometheus_client import CollectorRegistry, REGISTRY, generate_latest, multiprocess
registry = REGISTRY
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
IN_FLIGHT = "proxyhooks_calls_in_flight"


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True], ids=["one process", "several processes"])
def test_calls_are_in_the_exposition_of_the_user(several: bool, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    if several:
        environ["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    command = [sys.executable, "-c", EXPOSITION, "0.3" if several else "0"]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True)
    families: Any = text_string_to_metric_families
    by_name = {family.name: family for family in families(run.stdout)}
    samples = {
        tuple(s.labels.values()): s.value for s in by_name["proxyhooks_calls"].samples if s.name[-6:] == "_total"
    }
    assert {"".join(sorted(labels)): value for labels, value in samples.items()} == {
        "__main__.echoresultrpc": 1,
        "403failedrpc": 1,
        "500__main__.echofailedrpc": 0,
        "503failedrpc": 0,
    }
    for metric in METRICS[:5]:  # the others are those of gunicorn's master
        family = by_name[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.type, metric.meaning)
    assert [sample.value for sample in by_name[IN_FLIGHT].samples] == [0]


FORKING = """
import os, time
from proxyhooks import metrics
from proxyhooks._wire.in_flight import calls_in_flight
from prometheus_client import CollectorRegistry, generate_latest, multiprocess

metrics.enable()
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
child = os.fork()
if child == 0:
    calls_in_flight.append(None)
    metrics.enable()
    deadline = time.monotonic() + 30
    while "proxyhooks_calls_in_flight 1.0" not in generate_latest(registry).decode():
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.01)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.slow
def test_a_forked_process_has_gauges_once_it_enables_the_metrics_too(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FORKING], env=environ, timeout=60, check=True)
