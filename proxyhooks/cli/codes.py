"""``flask centrifugo codes``: lists the built-in codes and those of the application."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final, Literal

import click
from flask.cli import with_appcontext

from .. import disconnects, errors
from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal, error_is_terminal
from ..contract.json_schema import own_codes
from ..exceptions import Disconnect
from ._table import format_table

_HEADINGS: Final = ("CODE", "CLASS", "TEXT", "TEMPORARY", "THE CLIENT")


@click.command("codes")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_appcontext
def command(output_format: Literal["text", "json"]) -> None:
    """List the codes of errors and disconnects.

    They are Centrifugo's, and those of the Error and Disconnect classes that the application imports. The last column
    is what the client does by itself. For an error it holds for connect and subscribe only: the caller of an rpc or a
    publication gets the error, and the client does nothing.
    """
    own_classes = own_codes()
    rows = [*_builtin_rows(), *(_row(cls, _full_name(cls)) for cls in own_classes)]
    rows.sort(key=lambda row: row["code"])
    if output_format == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(format_table(_HEADINGS, [tuple(str(value) for value in row.values()) for row in rows]))
    for first, second in itertools.combinations(own_classes, 2):
        if first.code == second.code and not issubclass(first, second) and not issubclass(second, first):
            names = f"{_full_name(first)} and {_full_name(second)}"
            click.echo(f"{names} both have the code {first.code}: clients cannot tell them apart", err=True)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _builtin_rows() -> Iterator[dict[str, Any]]:
    for code in ERRORS:
        cls: Any = errors.by_code(code)
        yield _row(cls, f"errors.{cls.__name__}")
    for code in DISCONNECTS:
        cls = disconnects.by_code(code)
        yield _row(cls, f"disconnects.{cls.__name__}")


def _row(cls: Any, name: str) -> dict[str, Any]:
    if issubclass(cls, Disconnect):
        client = "stays away" if disconnect_is_terminal(cls.code) else "comes back"
        return {"code": cls.code, "class": name, "text": cls.reason, "temporary": "", "client": client}
    temporary = bool(cls.temporary)
    if error_is_terminal(cls.code, temporary):
        client = "gives up"
    else:
        client = "asks for a new token" if cls.code == 109 else "tries again"
    return {
        "code": cls.code,
        "class": name,
        "text": cls.message,
        "temporary": "yes" if temporary else "",
        "client": client,
    }
