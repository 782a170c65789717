"""The tables that are generated from the package; ``python -m tests.docs`` writes them."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Final

from marshmallow import Schema, fields, validate

from proxyhooks import disconnects, errors, messages
from proxyhooks.contract.definitions import JsonSchemas
from proxyhooks.contract.type_expressions import TypeExpressions
from tests.docs.package import (
    ALERTS,
    DISCONNECTS,
    ERRORS,
    FINDINGS,
    METRICS,
    WARNINGS,
    disconnect_is_terminal,
    error_is_terminal,
    settings_table,
)

# How annotations are written in the table, from the first that fits.
_TYPES: Final = (
    (r"PayloadOf\[.*\]", "payload"),
    (r"JsonOf\[.*\]", "JSON"),
    (r"Expiry", "time"),
    (r"BoxedBool", "`bool`"),
    (r"UInt64", "`int` ≥ 0"),
    (r"Int64", "`int`"),
    (r"Literal\[(.*)\]", r"\1"),
)


def error_rows() -> list[str]:
    rows = [
        "| code | class in `errors` | message | temporary | on connect and subscribe the client |",
        "|---|---|---|---|---|",
    ]
    for code, builtin in ERRORS.items():
        temporary = "yes" if builtin.temporary else ""
        then = "gives up" if error_is_terminal(code, builtin.temporary) else "tries again"
        then = "asks for a new token" if code == 109 else then
        rows.append(f"| {code} | `{errors.by_code(code).__name__}` | {builtin.message} | {temporary} | {then} |")
    return rows


def disconnect_rows() -> list[str]:
    rows = ["| code | class in `disconnects` | reason | the client |", "|---|---|---|---|"]
    for code, reason in DISCONNECTS.items():
        then = "stays away" if disconnect_is_terminal(code) else "comes back"
        then = "comes back; cannot be raised: Centrifugo tells it nothing" if code == 3000 else then
        rows.append(f"| {code} | `{disconnects.by_code(code).__name__}` | {reason} | {then} |")
    return rows


def metric_rows() -> list[str]:
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.meaning} |")
    return rows


def warning_rows() -> list[str]:
    return ["| id | |", "|---|---|", *(f"| `{id_}` | {meaning} |" for id_, meaning in WARNINGS.items())]


def finding_rows() -> list[str]:
    rows = [f"| {id_} | {level} | {meaning} |" for id_, (level, meaning) in FINDINGS.items()]
    return ["| id | level | |", "|---|---|---|", *rows]


def alert_rows() -> list[str]:
    rows = ["| alert | severity | what it means | what to do |", "|---|---|---|---|"]
    for name, alert in ALERTS.items():
        meaning, action = alert["annotations"]["description"].split("\n")
        rows.append(f"| `{name}` | {alert['labels']['severity']} | {meaning} | {action} |")
    return rows


def field_rows() -> list[str]:
    """Rows for the fields of each message, from their annotations, defaults and the docstrings below them."""
    rows = ["| class | field | type | default | meaning |", "|---|---|---|---|---|"]
    for base in (messages.Request, messages.Result):
        for cls in _in_order(base):
            rows += _rows_of(cls)
    return rows


def _in_order(base: type) -> list[type]:
    """The dataclasses among the subclasses, in the order of their definition."""
    found = [cls for name in vars(messages) if isinstance(cls := getattr(messages, name), type)]
    found = [cls for cls in found if issubclass(cls, base) and dataclasses.is_dataclass(cls)]
    return sorted(found, key=lambda cls: inspect.getsourcelines(cls)[1])


def _rows_of(cls: type) -> list[str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    parent = cls.__mro__[1]
    title = f"`{cls.__name__}`" + (f" (`{parent.__name__}`)" if dataclasses.is_dataclass(parent) else "")
    names: dict[tuple[str, str, str], list[str]] = {}  # fields that differ in nothing else share a row
    for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign):
            continue
        name = ast.unparse(statement.target)
        meaning = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = inspect.cleandoc(str(following.value.value))
            meaning = text.replace("``", "`").replace(":class:", "").replace("\n", " ")
        row = _type(ast.unparse(statement.annotation)), _default(cls, name), meaning
        names.setdefault(row, []).append(f"`{name}`")
    cells = [[", ".join(fields), *row] for row, fields in names.items()] or [[""] * 4]
    titles = [title, *[""] * len(cells)]
    return [f"| {' | '.join([title, *row])} |".replace("  ", " ") for title, row in zip(titles, cells, strict=False)]


def _type(annotation: str) -> str:
    text = annotation.removesuffix(" | None").replace("list[Literal[", "list of Literal[").replace("]]", "]")
    for pattern, word in _TYPES:
        if re.search(pattern, text):
            return re.sub(pattern, word, text).replace("'", "`").replace("``", "empty")
    return f"`{annotation.removesuffix(' | None')}`"


def _default(cls: type, name: str) -> str:
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    if field.default is dataclasses.MISSING or type(field.default).__name__ == "Null":
        return "required"
    return f"`{field.default!r}`".replace("'", '"')


# The fields whose types are not obvious, as they are written in a schema.
_FIELDS: Final = (
    "fields.Integer(as_string=True)",
    "fields.Decimal(as_string=True, allow_none=True)",
    'fields.DateTime("timestamp")',
    "fields.TimeDelta()",
    'fields.Boolean(truthy=["yes"], falsy=["no"])',
    "fields.Enum(Color)",
    "fields.Enum(Color, by_value=True)",
    'fields.Constant("message")',
    'fields.List(fields.String(validate=validate.OneOf(["a", "b"])))',
    'fields.List(fields.String(), validate=validate.ContainsOnly(["a", "b"]))',
    "fields.Tuple([fields.String(), fields.Integer()])",
    "fields.Dict(keys=fields.Enum(Color), values=fields.Integer())",
    'fields.Pluck(Author, "name", many=True)',
    "fields.Raw()",
)


class _Author(Schema):
    name = fields.String(allow_none=True)


def type_rows() -> list[str]:
    """A row for each of these fields, with its type in TypeScript for each direction."""
    rows = ["| field | what a front end sends | what it gets |", "|---|---|---|"]
    names = {"fields": fields, "validate": validate, "Author": _Author, "Color": enum.Enum("Color", ["RED", "GREEN"])}
    for text in _FIELDS:
        field = eval(text, names)  # of the table above
        schemas = JsonSchemas()
        schema = Schema.from_dict({"value": field}, name="One")()
        cells = [f"`{text}`"]
        for direction in ("load", "dump"):
            schemas.reference(schema, direction)
        for name in ("One", "OneResult"):
            definitions = schemas.definitions()
            cells.append(f"`{TypeExpressions(definitions)(definitions[name]['properties']['value'])}`")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


TABLES: Final[dict[tuple[str, str], Callable[[], list[str]]]] = {
    ("examples/README.md", "warnings"): warning_rows,
    ("examples/README.md", "errors"): error_rows,
    ("examples/README.md", "disconnects"): disconnect_rows,
    ("examples/README.md", "fields"): field_rows,
    ("examples/README.md", "types"): type_rows,
    ("examples/README.md", "findings"): finding_rows,
    ("deploy/README.md", "settings"): lambda: settings_table().splitlines(),
    ("deploy/README.md", "metrics"): metric_rows,
    ("deploy/README.md", "alerts"): alert_rows,
}
"""By file and name."""
