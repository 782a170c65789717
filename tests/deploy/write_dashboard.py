"""``python -m tests.deploy.write_dashboard``: write ``deploy/grafana/dashboard.json``, which Grafana imports."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from tests.deploy.dashboard_panels import PROMETHEUS, graph, number, quantile, rate, variable
from tests.support.paths import ROOT

OUTPUT: Final = ROOT / "deploy" / "grafana" / "dashboard.json"

# The series of the chosen backends, and of the chosen nodes of Centrifugo.
BACKENDS: Final = 'job=~"$job", instance=~"$instance"'
NODES: Final = 'instance=~"$node"'
CALLS: Final = "proxyhooks_calls_total"
DURATIONS: Final = "proxyhooks_call_duration_seconds_bucket"
PROXY_DURATIONS: Final = "centrifugo_proxy_duration_seconds_histogram_bucket"


def overview() -> list[stat.Panel]:
    failed = rate("", CALLS, BACKENDS, 'outcome="failed"')
    every = rate("", CALLS, BACKENDS)
    firing = 'count(ALERTS{alertname=~"Proxyhooks.*|Centrifugo.*", alertstate="firing"}) or vector(0)'
    serving = f'sum(proxyhooks_workers{{{BACKENDS}, state="serving"}})'
    return [
        number("Alerts", units.Short, "Alerts of rules.yml that fire.", firing, bad_from=1),
        number("Calls", units.RequestsPerSecond, "Calls of all hooks, with those that are refused.", every),
        number(
            "Failed",
            units.PercentUnit,
            "The share of the calls that the backends answered with another status than 200.",
            f"({failed} or vector(0)) / {every}",
            bad_from=0.01,
        ),
        number(
            "99th percentile",
            units.Seconds,
            "99 of 100 calls take a backend less than this.",
            quantile(0.99, "", DURATIONS, BACKENDS),
            bad_from=1,
        ),
        number("Workers that serve", units.Short, "Of all backends; during a reload there are more.", serving),
        number("Clients", units.Short, "Connections to Centrifugo.", f"sum(centrifugo_node_num_clients{{{NODES}}})"),
    ]


def calls() -> list[timeseries.Panel]:
    failed = 'outcome="failed"'
    return [
        graph(
            "Calls by event and outcome",
            units.RequestsPerSecond,
            "A hook answers with a result, an error or a disconnect. A failed call got another status than 200.",
            (rate("event, outcome", CALLS, BACKENDS), "{{event}} {{outcome}}"),
            stacked=True,
        ),
        graph(
            "Refused by hooks, by code",
            units.RequestsPerSecond,
            "Errors and disconnects, which clients see with this code. A peak of 103 or 104 may be a client's bug.",
            (rate("event, code", CALLS, BACKENDS, 'outcome=~"error|disconnect"'), "{{event}} {{code}}"),
        ),
        graph(
            "Failed, by status and hook",
            units.RequestsPerSecond,
            "403 is a wrong secret, 503 without a hook is overload, 500 is an exception. Clients see error 100.",
            (f"{rate('event, hook, code', CALLS, BACKENDS, failed)} > 0", "{{code}} {{event}} {{hook}}"),
        ),
    ]


def durations() -> list[timeseries.Panel]:
    timeout = ("vector($timeout)", "timeout")
    return [
        graph(
            "Durations in the backends, by event",
            units.Seconds,
            "Median and 99th percentile from the first byte in the application to the reply, without the queue.",
            (quantile(0.5, "event", DURATIONS, BACKENDS), "{{event}} p50"),
            (quantile(0.99, "event", DURATIONS, BACKENDS), "{{event}} p99"),
            timeout,
        ),
        graph(
            "The slowest hooks",
            units.Seconds,
            "The 99th percentile of the ten slowest hooks.",
            (f"topk(10, {quantile(0.99, 'event, hook', DURATIONS, BACKENDS)} > 0)", "{{event}} {{hook}}"),
            timeout,
        ),
        graph(
            "Durations as Centrifugo sees them",
            units.Seconds,
            "Median and 99th percentile with network, queue, and calls that reach the timeout.",
            (quantile(0.5, "type", PROXY_DURATIONS, NODES), "{{type}} p50"),
            (quantile(0.99, "type", PROXY_DURATIONS, NODES), "{{type}} p99"),
            timeout,
        ),
    ]


def load() -> list[timeseries.Panel]:
    queue = "proxyhooks_queue_duration_seconds_bucket"
    shed = (CALLS, BACKENDS, 'outcome="failed"', 'code="503"', 'hook=""')
    return [
        graph(
            "Calls in flight",
            units.Short,
            "At most workers times threads; at that number, calls wait.",
            (f"sum by (instance) (proxyhooks_calls_in_flight{{{BACKENDS}}})", "{{instance}}"),
            span=6,
        ),
        graph(
            "Queue",
            units.Seconds,
            "How long calls wait for a thread. After a second with a queue, calls that waited for 0.2 s get 503.",
            (quantile(0.5, "instance", queue, BACKENDS), "{{instance}} p50"),
            (quantile(0.99, "instance", queue, BACKENDS), "{{instance}} p99"),
            span=6,
        ),
        graph(
            "Refused with 503",
            units.RequestsPerSecond,
            "Calls that waited too long, or whose caller has hung up; no hook ran.",
            (rate("instance", *shed), "{{instance}}"),
            span=6,
        ),
        graph(
            "Functions of after_reply",
            units.Short,
            "Functions that wait or run. Beyond PROXYHOOKS_AFTER_REPLY_QUEUE in a worker, calls are refused.",
            (f"sum by (instance) (proxyhooks_after_reply_pending{{{BACKENDS}}})", "{{instance}}"),
            span=6,
        ),
    ]


def workers() -> list[timeseries.Panel]:
    share = f"{rate('instance', CALLS, BACKENDS)} / scalar({rate('', CALLS, BACKENDS)})"
    return [
        graph(
            "Workers by state",
            units.Short,
            "Of all backends. A reload starts as many as are desired before it stops the old ones.",
            (f"sum by (state) (proxyhooks_workers{{{BACKENDS}}})", "{{state}}"),
            (f"sum(proxyhooks_workers_desired{{{BACKENDS}}})", "desired"),
            stacked=True,
        ),
        graph(
            "Generation and failed reloads",
            units.Short,
            "The generation rises with each reload. A failed reload leaves the old workers: see the log.",
            (f"proxyhooks_worker_generation{{{BACKENDS}}}", "{{instance}} generation"),
            (f"proxyhooks_reload_failures_total{{{BACKENDS}}}", "{{instance}} failed reloads"),
        ),
        graph(
            "Shares of the backends",
            units.PercentUnit,
            "Equal if all are of one size. New backends get their share within a minute.",
            (share, "{{instance}}"),
            stacked=True,
        ),
    ]


def centrifugo() -> list[timeseries.Panel]:
    errors = rate("instance, error", "centrifugo_broker_redis_pub_sub_errors", NODES)
    return [
        graph(
            "Connections",
            units.Short,
            "Connected clients of each node.",
            (f"centrifugo_node_num_clients{{{NODES}}}", "{{instance}}"),
        ),
        graph(
            "Proxy calls that fail",
            units.RequestsPerSecond,
            "No reply in time, no connection, or another status than 200. Failing refreshes suspend revocation.",
            (rate("type", "centrifugo_proxy_errors", NODES), "{{type}}"),
        ),
        graph(
            "Proxy calls in flight",
            units.Short,
            "Centrifugo does not limit them.",
            (f"sum by (type) (centrifugo_proxy_inflight_requests{{{NODES}}})", "{{type}}"),
        ),
        graph(
            "Errors that clients get",
            units.RequestsPerSecond,
            "By command and code; 100 is an internal error, after which clients try again.",
            (rate("method, code", "centrifugo_client_num_reply_errors", NODES), "{{method}} {{code}}"),
        ),
        graph(
            "Errors with Redis",
            units.RequestsPerSecond,
            "Empty until the first error.",
            (errors, "{{instance}} {{error}}"),
        ),
        graph(
            "File descriptors",
            units.PercentUnit,
            "Share of the file descriptors that are open. Each client takes one.",
            (f"process_open_fds{{{NODES}}} / process_max_fds{{{NODES}}}", "{{instance}}"),
        ),
    ]


def build() -> str:
    """The dashboard as JSON."""
    board = (
        dashboard.Dashboard("proxyhooks and Centrifugo")
        .uid("proxyhooks")
        .description("Calls from Centrifugo to the hooks of an application, the gunicorn workers, and Centrifugo.")
        .tags(["proxyhooks", "centrifugo"])
        .editable()
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(variable("job", "Job", "label_values(proxyhooks_calls_in_flight, job)"))
        .with_variable(
            variable("instance", "Backend", 'label_values(proxyhooks_calls_in_flight{job=~"$job"}, instance)')
        )
        .with_variable(variable("node", "Centrifugo", "label_values(centrifugo_node_num_clients, instance)"))
        .with_variable(dashboard.TextBoxVariable("timeout").label("Timeout, s").default_value("3"))
        .annotation(
            dashboard.AnnotationQuery()
            .name("Reloads")
            .datasource(PROMETHEUS)
            .enable(True)
            .icon_color("blue")
            .expr(f"changes(proxyhooks_worker_generation{{{BACKENDS}}}[$__rate_interval]) > 0")
            .title_format("Reload of {{instance}}")
        )
    )
    for figure in overview():
        board.with_panel(figure)
    for title, graphs in (
        ("Calls", calls()),
        ("Durations", durations()),
        ("Load", load()),
        ("Workers and backends", workers()),
        ("Centrifugo", centrifugo()),
    ):
        board.with_row(dashboard.Row(title))
        for panel in graphs:
            board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(build(), encoding="utf-8")
