"""``flask centrifugo hooks``: what answers what."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from typing import Any, Literal

import click
import flask
from flask.cli import with_appcontext

from .._dispatch.events import EVENTS
from .._dispatch.signatures import qualified_name
from ._app import current_hooks, hooks_option
from ._table import table


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ""
    path = os.path.relpath(code.co_filename)
    return f"{code.co_filename if path.startswith('..') else path}:{code.co_firstlineno}"


def _schema(given: Any) -> str:
    if given is None:
        return ""
    return qualified_name(given) if inspect.isroutine(given) else type(given).__name__


@click.command("hooks")
@hooks_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_appcontext
def command(hooks_name: str | None, form: Literal["text", "json"]) -> None:
    """What answers what: event, pattern, function, place, what runs before it, schemas."""
    hooks = current_hooks(hooks_name)
    order = list(EVENTS)
    rows: list[dict[str, Any]] = [
        {
            "event": registration.hook.event.name,
            "pattern": registration.pattern.text if registration.pattern else None,
            "function": registration.hook.name,
            "place": _place(registration.hook.function),
            "before": [qualified_name(function) for function in registration.before_hooks],
            "data_schema": _schema(registration.hook.data_schema),
            "result_schema": _schema(registration.hook.result_schema),
        }
        for registration in hooks.index.registrations()
    ]
    rows.sort(key=lambda row: (order.index(str(row["event"])), row["pattern"] is None, row["pattern"] or ""))
    silent = [name for name in order if name not in {row["event"] for row in rows}]
    if form == "json":
        click.echo(json.dumps({"hooks": rows, "without": silent}, indent=2))
        return
    if not rows:
        click.echo(f"{flask.current_app.import_name} has ProxyHooks and no hook in them")
        return
    head = ("EVENT", "PATTERN", "FUNCTION", "PLACE", "BEFORE", "DATA", "RESULT")
    click.echo(
        table(
            head,
            [
                (
                    str(row["event"]),
                    str(row["pattern"] or _every(str(row["event"]))),
                    str(row["function"]),
                    str(row["place"]),
                    ", ".join(row["before"]),
                    str(row["data_schema"]),
                    str(row["result_schema"]),
                )
                for row in rows
            ],
        )
    )
    if silent:
        click.echo(f"\nwithout a hook: {', '.join(silent)}")


def _every(event: str) -> str:
    routed_on = EVENTS[event].routed_on
    return f"every {routed_on}" if routed_on else ""
