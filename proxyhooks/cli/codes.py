"""``flask centrifugo codes``: the built-in codes, and the application's own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Literal

import click
from flask.cli import with_appcontext

from .. import disconnects, errors
from .._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal, error_is_terminal
from ..contract.json_schema import own_codes
from ..exceptions import Disconnect
from ._table import table

_HEAD = ("CODE", "CLASS", "TEXT", "TEMPORARY", "THE CLIENT")


@click.command("codes")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_appcontext
def command(form: Literal["text", "json"]) -> None:
    """The codes of errors and disconnects, built-in and the application's, and what the client does.

    The application's are the classes that are loaded with it. What the client does after an error holds for connect
    and subscribe; calls and publications are left to their caller.
    """
    own = own_codes()
    rows = [*_builtin(), *(_row(cls, f"{cls.__module__}.{cls.__qualname__}") for cls in own)]
    rows.sort(key=lambda row: row["code"])
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(table(_HEAD, [tuple(str(value) for value in row.values()) for row in rows]))
    for one, other in itertools.combinations(own, 2):
        if one.code == other.code and not issubclass(one, other) and not issubclass(other, one):
            names = f"{one.__module__}.{one.__qualname__} and {other.__module__}.{other.__qualname__}"
            click.echo(f"{names} both have the code {one.code}: clients cannot tell them apart", err=True)


def _builtin() -> Iterator[dict[str, Any]]:
    for code in ERRORS:
        cls: Any = errors.by_code(code)
        yield _row(cls, f"errors.{cls.__name__}")
    for code in DISCONNECTS:
        cls = disconnects.by_code(code)
        yield _row(cls, f"disconnects.{cls.__name__}")


def _row(cls: Any, name: str) -> dict[str, Any]:
    if issubclass(cls, Disconnect):
        then = "stays away" if disconnect_is_terminal(cls.code) else "comes back"
        return {"code": cls.code, "class": name, "text": cls.reason, "temporary": "", "client": then}
    temporary = bool(cls.temporary)
    then = "gives up" if error_is_terminal(cls.code, temporary) else "asks for a new token" if cls.code == 109 else ""
    return {
        "code": cls.code,
        "class": name,
        "text": cls.message,
        "temporary": "yes" if temporary else "",
        "client": then or "tries again",
    }
