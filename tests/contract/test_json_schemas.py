"""What JSON Schema says besides types: bounds, lengths, patterns, defaults, and which fields there are."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, fields, validate
from rooms import create_app

from proxyhooks import ProxyHooks, RPCResult
from proxyhooks.cli import centrifugo
from proxyhooks.contract import contract_of
from proxyhooks.contract.definitions import JsonSchemas
from proxyhooks.contract.typescript import typescript
from proxyhooks.contract.validators import _ecmascript
from tests.support.paths import ROOT
from tests.support.typescript import needs_compiler, node


def json_schema(
    field: fields.Field[Any] | dict[str, fields.Field[Any]], direction: Any = "load", **options: Any
) -> Any:
    """The JSON Schema of a field, or of a schema with these fields."""
    schemas = JsonSchemas()
    members = field if isinstance(field, dict) else {"value": field}
    name = schemas.reference(Schema.from_dict(members, name="One")(**options), direction)
    assert name is not None
    definition = schemas.definitions()[name["$ref"].removeprefix("#/$defs/")]
    json.dumps(definition, allow_nan=False)
    return definition if isinstance(field, dict) else definition["properties"]["value"]


class Color(enum.Enum):
    RED = 1


class Even(validate.Range):
    def __call__(self, value: Any) -> Any:
        return super().__call__(abs(value))


DAY = dt.date(2026, 1, 1)
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("field", "keywords"),
    [
        (fields.Integer(validate=validate.Range(1, 5)), {"minimum": 1, "maximum": 5}),
        (fields.Integer(validate=validate.Range(0.5)), {"minimum": 0.5}),
        (
            fields.Float(validate=validate.Range(0, 1, min_inclusive=False, max_inclusive=False)),
            {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
        ),
        (fields.Float(validate=validate.Range(float("-inf"), float("inf"))), {}),
        (fields.Float(validate=validate.Range(float("nan"))), {}),
        (fields.Decimal(validate=validate.Range(Decimal("0.01"), Decimal(5))), {"minimum": 0.01, "maximum": 5}),
        (fields.Decimal(validate=validate.Range(Decimal("1e400"), Decimal("inf"))), {"minimum": 10**400}),
        (fields.Decimal(as_string=True, validate=validate.Range(Decimal("0.01"))), {}),
        (fields.Date(validate=validate.Range(DAY)), {"format": "date"}),
        (fields.DateTime("timestamp", validate=validate.Range(dt.datetime(1970, 1, 2))), {"minimum": 86400}),
        (fields.TimeDelta("minutes", validate=validate.Range(max=MINUTE)), {"maximum": 1}),
        (fields.String(validate=validate.Range("a")), {}),
        (fields.Integer(validate=Even(1)), {}),
        (
            fields.Integer(validate=[validate.Range(1, 9), validate.And(validate.Range(3), validate.Range(max=5))]),
            {"minimum": 3, "maximum": 5},
        ),
        (fields.Integer(validate=validate.NoneOf({2, 1})), {"not": {"enum": [1, 2]}}),
        (fields.Date(validate=validate.NoneOf([DAY])), {"format": "date", "not": {"enum": ["2026-01-01"]}}),
        (fields.Integer(validate=[validate.NoneOf([1]), validate.NoneOf([2])]), {"not": {"enum": [1, 2]}}),
        (fields.String(validate=validate.Length(1, 5)), {"minLength": 1, "maxLength": 5}),
        (fields.String(validate=validate.Length(equal=0)), {"minLength": 0, "maxLength": 0}),
        (fields.String(validate=[validate.Length(1), validate.Length(3, 9)]), {"minLength": 3, "maxLength": 9}),
        (fields.String(validate=validate.Length(max=float("inf"))), {}),  # type: ignore[arg-type]
        (
            fields.Raw(validate=validate.NoneOf({10**400, Decimal("NaN"), float("nan"), 2.5, Decimal(1)})),
            {"not": {"enum": [1, 2.5, 10**400]}},
        ),
        (fields.Dict(validate=validate.Length(max=5)), {"maxProperties": 5}),
        (fields.Integer(validate=validate.Length(max=5)), {}),
        (fields.String(validate=validate.Email()), {"format": "email"}),
        (fields.String(validate=validate.URL()), {"format": "uri"}),
        (fields.Url(relative=True), {"format": "uri-reference"}),
        (fields.AwareDateTime(), {"format": "date-time"}),
        (fields.DateTime(), {}),  # JSON Schema's date-time has a time zone
        (fields.String(validate=validate.Regexp("a+")), {"pattern": "^(?:a+)"}),
        (
            fields.String(validate=[validate.Regexp("^a"), validate.Regexp("^b")]),
            {"pattern": "^a", "allOf": [{"pattern": "^b"}]},
        ),
        (fields.String(validate=validate.Regexp("a", re.IGNORECASE)), {}),
        (fields.String(validate=lambda value: None), {}),
        (fields.String(validate=validate.Predicate("isdigit")), {}),
        (fields.String(metadata={"description": "a name", "x": 1}), {"description": "a name"}),
        (fields.String(metadata={"type": "password", "enum": {1}, "format": "password"}), {"format": "password"}),
    ],
)
def test_validators_become_keywords_where_json_schema_has_them(
    field: fields.Field[Any], keywords: dict[str, Any]
) -> None:
    found = json_schema(field)
    assert {keyword: value for keyword, value in found.items() if keyword != "type"} == keywords


def test_lengths_of_lists_count_items() -> None:
    pair = validate.Length(equal=2)
    found = json_schema(fields.List(fields.Integer(), validate=pair))
    assert found == {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    inner = Schema.from_dict({"a": fields.Integer()})
    assert json_schema(fields.Nested(inner, many=True, validate=pair))["minItems"] == 2
    assert json_schema(fields.Nested(inner(many=True), validate=pair))["minItems"] == 2
    assert "minItems" not in json_schema(fields.Nested(inner, validate=pair))


@pytest.mark.parametrize(
    ("field", "default"),
    [
        (fields.Integer(load_default=3), 3),
        (fields.Integer(load_default=None), None),
        (fields.String(load_default=""), ""),
        (fields.Decimal(load_default=Decimal("0.10")), 0.1),
        (fields.Decimal(as_string=True, load_default=Decimal("0.10")), "0.10"),
        (fields.Date(load_default=DAY), "2026-01-01"),
        (fields.TimeDelta(load_default=MINUTE), 60),
        (fields.Enum(Color, load_default=Color.RED), "RED"),
        (fields.List(fields.Date(), load_default=[DAY]), ["2026-01-01"]),
        (fields.Tuple([fields.Integer()], load_default=(1,)), [1]),
        (fields.Dict(load_default={"a": 1}), {"a": 1}),
    ],
)
def test_defaults_are_as_they_travel(field: fields.Field[Any], default: Any) -> None:
    assert json_schema(field)["default"] == default


@pytest.mark.parametrize(
    "field",
    [
        fields.Date(load_default=dt.date.today),
        fields.List(fields.Integer(), load_default=list),
        fields.Float(load_default=float("inf")),
        fields.Decimal(load_default=Decimal("nan")),
        fields.Raw(load_default={1, 2}),
        fields.Raw(load_default=object()),
        fields.Date(load_default="not a date"),
        fields.Enum(Color, load_default=1),
        fields.Function(lambda obj: obj.name, str, load_default="x"),
        fields.Method(None, "load", load_default="x"),
        fields.Constant(1),
        fields.Integer(),
    ],
)
def test_defaults_that_json_does_not_have_are_left_out(field: fields.Field[Any]) -> None:
    assert "default" not in (json_schema(field) if not isinstance(field, fields.Method) else {})


@pytest.mark.parametrize(
    ("unknown", "additional"),
    [(RAISE, {"additionalProperties": False}), (INCLUDE, {"additionalProperties": True}), (EXCLUDE, {})],
)
def test_unknown_decides_about_additional_properties_of_what_is_loaded(
    unknown: Any, additional: dict[str, Any]
) -> None:
    members: dict[str, Any] = {"a": fields.Integer()}
    expected = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert json_schema(members, unknown=unknown) == expected | additional
    assert json_schema(members, "dump", unknown=unknown) == expected


def test_each_direction_has_its_fields_and_says_which_are_always_there() -> None:
    members: dict[str, Any] = {
        "needed": fields.Integer(required=True, data_key="the key"),
        "sent": fields.Integer(required=True, load_only=True),
        "made": fields.Integer(required=True, dump_only=True),
        "computed": fields.Function(lambda obj: 1),
        "constant": fields.Constant(1, required=True),
        "defaulted": fields.Integer(dump_default=1),
        "other": fields.Integer(attribute="elsewhere"),
    }
    sent, got = json_schema(members), json_schema(members, "dump")
    assert list(sent["properties"]) == ["the key", "sent", "constant", "defaulted", "other"]
    # Releases of marshmallow differ in whether load refuses an object without it.
    constant = ["constant"] if "constant" in Schema.from_dict(members)().validate({}) else []
    assert sent["required"] == ["the key", "sent", *constant]
    assert list(got["properties"]) == ["the key", "made", "computed", "constant", "defaulted", "other"]
    assert got["required"] == ["the key", "made", "computed", "constant", "defaulted"]
    assert json_schema(members, partial=["needed"])["required"] == ["sent", *constant]
    assert "required" not in json_schema(members, partial=True)


def test_fields_that_are_loaded_from_one_key_both_say_what_it_is(app: Flask) -> None:
    members: dict[str, Any] = {
        "first": fields.Integer(data_key="key", load_only=True, required=True),
        "second": fields.Integer(data_key="key", load_only=True, required=True, validate=validate.Range(3)),
    }
    both = [{"type": "integer"}, {"type": "integer", "minimum": 3}]
    assert json_schema(members)["properties"] == {"key": {"allOf": both}}
    assert json_schema(members)["required"] == ["key"]
    hooks = ProxyHooks(app)
    hooks.rpc("m", data_schema=Schema.from_dict(members))(lambda req: RPCResult())
    assert "{ key: (number) }" in typescript(contract_of(hooks))


def test_many_at_the_top_is_an_array() -> None:
    class Many(Schema):
        class Meta:
            many = True

    schemas = JsonSchemas()
    array = {"type": "array", "items": {"$ref": "#/$defs/Many"}}
    assert schemas.reference(Many(), "load") == array
    assert schemas.reference(Many(many=False), "load") == array["items"]
    assert schemas.reference(lambda data: data, "load") is None


PATTERNS = [
    "abc", "^abc$", "a|b", "^a|b", "(ab)+c", "(?:ab){2,3}", "[a-z_-]+", "[^a-z]", "[a-zA-Z0-9.]*?x", r"\d{4}-\d\d\Z",
    r"\Aa\.b",
    "(?P<year>[0-9]+)", "a(?=b)", "a(?!b)", "é+", "日本", "a/b", r"a\/b", "a{2,}?b", ".x", r"[\d]", r"[\]]", "a*b?",
    "💩", "/",
]  # fmt: skip
NOT_TRANSLATED = [
    r"\w+",
    r"\bx",
    r"\s",
    "a{,3}",
    "[^]]",
    r"x\-y",
    "(?i)a",
    r"(a)\1",
    "(?P<a>x)(?P=a)",
    "{x}",
    "(?<=a)b",
    "[&&a]",
]
SAMPLES = [
    "", "abc", "xabc", "a", "b", "c", "ababc", "abab", "a-b", "A", "x", "aax", "2026-01", "2026-011", "2026-01\r",
    "a.b", "ab",
    "ac", "é", "日本", "a/b", "aab", "5", "]", "aaab", "💩", "-_", "/", "1",
]  # fmt: skip


@needs_compiler
@pytest.mark.slow
def test_patterns_mean_the_same_in_javascript(tmp_path: Path) -> None:
    translated = {pattern: _ecmascript(re.compile(pattern)) for pattern in PATTERNS}
    assert None not in translated.values()
    (tmp_path / "program.mjs").write_text(
        f"const [patterns, samples] = {json.dumps([list(translated.values()), SAMPLES])};\n"
        'console.log(JSON.stringify(patterns.map((p) => samples.map((s) => new RegExp(p, "u").test(s)))));\n'
    )
    ran = node("program.mjs", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for (python, javascript), matches in zip(translated.items(), json.loads(ran.stdout), strict=True):
        for sample, matched in zip(SAMPLES, matches, strict=True):
            assert matched == (re.match(python, sample) is not None), (python, javascript, sample)
            assert matched == (re.search(str(javascript), sample) is not None), (python, javascript, sample)


@pytest.mark.parametrize("pattern", NOT_TRANSLATED)
def test_patterns_that_could_mean_something_else_in_javascript_are_left_out(pattern: str) -> None:
    assert _ecmascript(re.compile(pattern)) is None


SETS = """
from decimal import Decimal
from flask import Flask
from marshmallow import Schema, fields, validate
from proxyhooks import ProxyHooks, RPCResult

app = Flask("sets")
app.config["PROXYHOOKS_SECRETS"] = ["s3cret"]
hooks = ProxyHooks(app)
words = {"one", "two", "three", "four", "five", "six"}

class Words(Schema):
    one = fields.String(validate=validate.OneOf(words))
    frozen = fields.List(fields.String(), validate=validate.ContainsOnly(frozenset(words)))
    none = fields.String(validate=validate.NoneOf(words))
    number = fields.Decimal(validate=validate.OneOf({Decimal(number) / 7 for number in range(9)}))
    mixed = fields.Raw(validate=validate.OneOf({"a", 1, None, "b", 2.5, ("c",)}))
    yes = fields.Boolean(truthy=words, falsy={"no", "never", "nothing"})
    rest = fields.String()

rest = {"rest", "yes", "mixed"}
hooks.rpc("words", data_schema=Words, result_schema=Words(only=words & set() or rest))(lambda req: RPCResult())
hooks.rpc("others", data_schema=Words(exclude=rest, partial={"one", "number"}))(lambda req: RPCResult())
"""


@pytest.mark.slow
def test_every_process_writes_the_same_contract(tmp_path: Path) -> None:
    (tmp_path / "sets.py").write_text(SETS)
    command = [sys.executable, "-m", "flask", "--app", "sets", "centrifugo", "export", "json"]
    written = {
        subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(written) == 1
    assert b'"five"' in written.pop()


def test_the_contract_of_the_rooms_example_is_json(tmp_path: Path) -> None:
    app = create_app({"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": ["s3cret"]})
    path = tmp_path / "größe.json"
    written = app.test_cli_runner().invoke(centrifugo, ["export", "json", "--output", str(path)])
    assert written.exit_code == 0, written.output
    assert json.loads(path.read_text(encoding="utf-8"))["errors"]["PermissionDenied"]["code"] == 103
