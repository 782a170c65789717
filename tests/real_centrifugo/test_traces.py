"""Which trace context Centrifugo sends with events, and what becomes of it in spans."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxyhooks import ConnectResult, ProxyHooks, RPCResult
from tests.real_centrifugo.client import Client
from tests.support.centrifugo import serving_through_centrifugo
from tests.support.paths import SECRET


@pytest.mark.parametrize("traces_itself", [False, True])
def test_the_traceparent_of_a_client_is_a_link_of_every_event_and_centrifugo_sends_none_of_its_own(
    traces_itself: bool, tmp_path: Path
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = Flask("app")
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    hooks = ProxyHooks(app, http_headers=["traceparent"])
    FlaskInstrumentor.instrument_app(app, tracer_provider=provider, meter_provider=MeterProvider())
    hooks.connect(lambda req: ConnectResult(user="42"))
    hooks.rpc("join")(lambda req: RPCResult())

    variables = {
        "CENTRIFUGO_OPENTELEMETRY_ENABLED": str(traces_itself).lower(),
        "CENTRIFUGO_OPENTELEMETRY_API": str(traces_itself).lower(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",  # where nothing listens
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with serving_through_centrifugo(app, tmp_path, **variables) as port:
        for headers in ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, None):
            client = Client(f"127.0.0.1:{port}", headers)
            assert "connect" in client.ask("connect")
            assert [client.ask("rpc", method="join") for _ in range(2)] == [{"rpc": {}}] * 2
            client.close()
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["connect", "rpc join", "rpc join"] * 2
    assert [span.parent for span in spans] == [None] * 6
    assert len({span.context.trace_id for span in spans}) == 6
    linked = [[trace.format_trace_id(link.context.trace_id) for link in span.links] for span in spans]
    assert linked == [["ab" * 16]] * 3 + [[]] * 3
