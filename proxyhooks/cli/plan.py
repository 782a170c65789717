"""``flask centrifugo plan``: what a number of clients needs."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import click

from ..centrifugo.go.duration import Duration, parse_duration
from ..centrifugo.plan import (
    BACK_WITHIN,
    CALLS_PER_CORE,
    CLIENTS_PER_NODE,
    COUNTED,
    FIRST_DELAY,
    Load,
    Plan,
    make_plan,
)
from ._app import hooks_option, load_backend
from ._table import format_table

_NUMBER: Final = re.compile(r"((?:\d{1,3}(?:[_,]\d{3})+|\d+)(?:\.\d+)?(?:e\+?\d{1,2})?)([kM]?)")
_UNITS: Final = {"": 1, "k": 1000, "M": 1_000_000}
_MAX: Final = 1e12
_CALL_TIME: Final = 0.1
"""Seconds: an example of the time that a call takes."""
_NEEDS: Final = {
    "refresh": ("expire", "--expire"),
    "sub_refresh": ("subscription_expire", "--subscription-expire"),
    "publish": ("publish_every", "--publish-every"),
    "rpc": ("rpc_every", "--rpc-every"),
}
"""The field of the load and the option without which an event has no calls."""

_DERIVED: Final = (
    "connections_per_second",
    "normal_utilization",
    "reconnect_utilization",
    "unlimited_attempts",
    "idle_connections",
)
"""The properties of a plan that are in the JSON, too."""


class _Number(click.ParamType[float]):
    """A number that is more than 0 (or, with *zero*, at least), written such as 1e6, 20k or 1.5M."""

    name = "number"

    def __init__(self, *, zero: bool = False, whole: bool = False) -> None:
        self._zero, self._whole = zero, whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return value
        match = _NUMBER.fullmatch(value)
        number = float(re.sub("[_,]", "", match[1])) * _UNITS[match[2]] if match else math.nan
        if not (0 if self._zero else 1e-9) <= number <= _MAX or (self._whole and number != round(number)):
            kind = "a whole number" if self._whole else "a number"
            least = "at least 0" if self._zero else "more than 0"
            return self.fail(
                f"{value!r} is not {kind} that is {least} and at most 1e12: write 200, 20k, 1.5M or 1e6", param, ctx
            )
        return round(number) if self._whole else number


class _Duration(click.ParamType[float]):
    """Seconds that are more than 0, written in Go's notation."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(value)
        if seconds is None or seconds <= 0:
            return self.fail(
                f"{value!r} is not a duration that is more than 0: write it as Centrifugo does, '10m' or '30s'",
                param,
                ctx,
            )
        return seconds


@click.command("plan")
@click.option("--clients", type=_Number(whole=True), required=True, help="Clients that are connected at once.")
@click.option("--subscriptions", type=_Number(zero=True), default="1", show_default=True, help="Of each client.")
@click.option(
    "--session", type=_Duration(), default="30m", show_default=True, help="How long a client stays, on average."
)
@click.option("--expire", type=_Duration(), help="Time from connect or refresh to expire_at.  [default: never]")
@click.option("--subscription-expire", type=_Duration(), help="The same for subscriptions.  [default: never]")
@click.option("--publish-every", type=_Duration(), help="Time between two publications of a client.  [default: never]")
@click.option("--rpc-every", type=_Duration(), help="Time between two rpcs of a client.  [default: never]")
@click.option(
    "--calls-per-core", type=_Number(), default=str(CALLS_PER_CORE), show_default=True,
    help="Calls that a core of the backend answers a second: measure it. The default is for hooks that ask a database.",
)  # fmt: skip
@click.option(
    "--nodes", type=_Number(whole=True),
    help=f"Nodes of Centrifugo.  [default: one for {CLIENTS_PER_NODE:,} clients, or 2]",
)  # fmt: skip
@click.option("--cores", type=_Number(whole=True), help="Cores of the backend.  [default: those of --back-within]")
@click.option(
    "--back-within", type=_Duration(),
    help=f"Time in which all clients have to be back.  [default: {BACK_WITHIN / 60:g}m]",
)  # fmt: skip
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    nodes: int | None,
    cores: int | None,
    back_within: float | None,
    calls_per_core: float,
    output_format: Literal["text", "json"],
    hooks_name: str | None,
    **load_options: Any,
) -> None:
    """Calculate calls a second, cores and nodes for a number of clients.

    In normal operation, and while all clients reconnect after an outage. With an application, only events that have
    hooks count. Nothing is measured or called.
    """
    if cores is not None and back_within is not None:
        raise click.UsageError("--cores says how long it takes, and --back-within how many cores it takes: use one")
    if back_within is not None and back_within < 2 * FIRST_DELAY:
        raise click.BadParameter("it must be at least 2s: SDKs wait for up to 1s at first", param_hint="--back-within")
    backend = load_backend(ctx, hooks_name)
    hooks = None if backend is None else set(backend.hooks_by_event())
    load = Load(**load_options, events=COUNTED if hooks is None else [event for event in COUNTED if event in hooks])
    try:
        plan = make_plan(
            load, calls_per_core=calls_per_core, nodes=nodes, cores=cores, back_within=back_within or BACK_WITHIN
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    notes = list(_notes(load, plan, hooks))
    if output_format == "json":
        derived = {name: getattr(plan, name) for name in _DERIVED}
        click.echo(json.dumps(dataclasses.asdict(plan) | derived | {"notes": notes}, indent=2))
        return
    click.echo(_text(plan))
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _text(plan: Plan) -> str:
    events = [event for event in COUNTED if event in plan.normal_calls or event in plan.reconnect_calls]
    columns = (plan.normal_calls, plan.reconnect_calls)
    rows = [(event, *(_rate(column.get(event, 0)) for column in columns)) for event in events]
    total = ("total", *(_rate(sum(column.values())) for column in columns))
    table = format_table(("CALLS A SECOND", "NORMAL", "MASS RECONNECT"), [*rows, total])
    back = Duration(math.ceil(plan.reconnect_seconds) * 1_000_000_000)
    clients = _number(plan.clients_per_node, "client")
    nodes = (
        f"{plan.nodes:,} nodes; if one fails, {clients} on each other" if plan.nodes > 1 else f"1 node with {clients}"
    )
    under_way = math.ceil(sum(plan.reconnect_calls.values()) * _CALL_TIME)
    facts = {
        "clients": f"{plan.clients:,}; all of them are connected again after {back}, at "
        f"{_number(plan.connections_per_second, 'connection')} a second",
        "backend": f"{_number(plan.cores, 'core')} with {_number(plan.calls_per_core, 'call')} a second each; "
        f"{plan.normal_utilization:.0%} busy normally, {plan.reconnect_utilization:.0%} while all reconnect",
        "connections": f"to the backend: {under_way:,} while all reconnect, if a call takes {_CALL_TIME:g} s; up to "
        f"{plan.idle_connections:,} stay open to each host",
        "Centrifugo": f"{nodes}: LimitNOFILE={plan.open_files}, {_bytes(plan.memory)}",
        "rate limit": f"{_number(plan.connections_per_second, 'new connection')} a second, "
        f"{plan.connection_rate_limit:,} for each node; without a limit {plan.unlimited_attempts:,.0f} a second try",
    }
    return "\n".join([table, "", *(f"{name:<12}{text}" for name, text in facts.items())])


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _number(number: float, noun: str) -> str:
    shown = f"{number:,}" if isinstance(number, int) else _rate(number)
    return f"{shown} {noun}" if shown == "1" else f"{shown} {noun}s"


def _bytes(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20)} MiB"


def _notes(load: Load, plan: Plan, hooks: set[str] | None) -> Iterator[str]:
    if not load.calls_of_a_connection():
        yield "nothing calls the backend when clients reconnect: Centrifugo and its nodes decide the rate"
    if "refresh" in plan.reconnect_calls:
        yield (
            f"clients that reconnected together refresh together, {plan.connections_per_second:,} a second, until "
            "their sessions end: spread expire_at (a timedelta varies by a tenth)"
        )
    if hooks is None:
        return
    for event, (name, option) in _NEEDS.items():
        given = getattr(load, name) is not None
        if given and event not in hooks:
            yield f"{option} has no effect: the application has no {event} hook"
        elif event in hooks and not given:
            yield f"{event}: not counted; {option} says how often"
    for event in sorted(hooks - set(COUNTED)):
        yield f"{event}: not counted; its rate depends on Centrifugo's configuration and the data"
