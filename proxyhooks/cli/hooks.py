"""``flask centrifugo hooks``: lists the hooks."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from typing import Any, Final, Literal

import click
import flask
from flask.cli import with_appcontext

from .._dispatch.events import EVENTS
from .._dispatch.signatures import qualified_name
from ._app import current_hooks, hooks_option
from ._table import format_table

_HEADINGS: Final = ("EVENT", "PATTERN", "FUNCTION", "PLACE", "BEFORE", "DATA", "RESULT")


@click.command("hooks")
@hooks_option
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_appcontext
def command(hooks_name: str | None, output_format: Literal["text", "json"]) -> None:
    """List the hooks and the declared publications.

    The columns are the event, the pattern, the function with file and line, its before_hook functions and its schemas.
    A second table has the publications of the backend that are declared.
    """
    hooks = current_hooks(hooks_name)
    events = list(EVENTS)
    rows: list[dict[str, Any]] = [
        {
            "event": registration.hook.event.name,
            "pattern": registration.pattern.text if registration.pattern else None,
            "function": registration.hook.name,
            "place": _file_and_line(registration.hook.function),
            "before": [qualified_name(function) for function in registration.before_hooks],
            "data_schema": _schema_name(registration.hook.data_schema),
            "result_schema": _schema_name(registration.hook.result_schema),
        }
        for registration in hooks.index.registrations()
    ]
    rows.sort(key=lambda row: (events.index(row["event"]), row["pattern"] is None, row["pattern"] or ""))
    served = {row["event"] for row in rows}
    without_hook = [name for name in events if name not in served]
    publications: list[dict[str, Any]] = [
        {
            "pattern": publication.pattern.text,
            "schemas": [_schema_name(schema) for schema in publication.schemas],
            "place": _relative(*publication.place),
        }
        for publication in sorted(hooks.declared_publications, key=lambda publication: publication.pattern.text)
    ]
    if output_format == "json":
        click.echo(json.dumps({"hooks": rows, "without": without_hook, "publications": publications}, indent=2))
        return
    if not rows:
        click.echo(f"the ProxyHooks of {flask.current_app.import_name} has no hooks")
    else:
        click.echo(format_table(_HEADINGS, map(_cells, rows)))
        if without_hook:
            click.echo(f"\nwithout a hook: {', '.join(without_hook)}")
    if publications:
        cells = ((row["pattern"], ", ".join(row["schemas"]), row["place"]) for row in publications)
        click.echo(f"\n{format_table(('PUBLICATIONS TO', 'SCHEMAS', 'PLACE'), cells)}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    routed_on = EVENTS[row["event"]].routed_on
    pattern = row["pattern"] or (f"every {routed_on}" if routed_on else "")
    before = ", ".join(row["before"])
    return row["event"], pattern, row["function"], row["place"], before, row["data_schema"], row["result_schema"]


def _file_and_line(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ""
    return _relative(code.co_filename, code.co_firstlineno)


def _relative(file: str, line: int) -> str:
    path = os.path.relpath(file)
    return f"{file if path.startswith('..') else path}:{line}"


def _schema_name(schema: Any) -> str:
    if schema is None:
        return ""
    return qualified_name(schema) if inspect.isroutine(schema) else type(schema).__name__
