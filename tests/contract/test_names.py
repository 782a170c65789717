"""Names in the contract: of schemas, fields, patterns and codes, whatever they look like."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import INCLUDE, Schema, fields

from proxyhooks import Error, ProxyHooks, PublishResult, RPCResult, SetupError, SubscribeResult
from proxyhooks.contract import contract_of
from proxyhooks.contract.type_expressions import identifier
from proxyhooks.contract.typescript import typescript
from tests.support.paths import SECRET
from tests.support.typescript import compile_module, needs_compiler, node, unassignable

DECLARED = re.compile(r"^(?:export )?(?:type|interface|const|function) ([\w$]+)", re.MULTILINE)
WORDS = """\
any string number boolean object symbol bigint unknown never void null undefined class enum function default interface
type let static yield await async of import export this true delete globalThis arguments eval constructor intrinsic
keyof Array Record Partial Promise RegExp RangeError JSON Number String Object Boolean Function Date Error Map Set
"""
ODD_NAMES = [
    "Größe",
    "Ελλάδα",
    "Привет",
    "日本語",
    "𝒳",
    "1st",
    "a b",
    "a-b",
    "a/b",
    "a%b",
    "a~1b",
    "*/",
    "Schema",
    "",
    "💩",
    "a\nb",
]
ODD_KEYS = [
    "größe", "日本",
    "a b", "a-b", "5", "5a", "", "__proto__", "it's", 'say "hi"', "back\\slash", "line\nbreak", "\u2028",
    "\ud800", "class", "*/", "${x}", "`",
]  # fmt: skip
ODD_PATTERNS = [
    "a*/b:<int:n>", 'say"hi":<int:n>', "it's:<int:n>", "line\nbreak:<int:n>", "\u2028:<int:n>", "чат:<int:n>",
    "back\\slash:<int:n>", "${x}`:<int:n>", "__proto__:<int:n>", "__proto__", "1:<int:n>", "größe:<größe>",
    "\u202e:<int:n>",
]  # fmt: skip


def schema(name: str, **members: Any) -> type[Schema]:
    members["Meta"] = type("Meta", (), {"register": False})
    return type(name, (Schema,), members)


def names_of_types(text: str) -> list[str]:
    return re.findall(r"^export type (\S+) =", text, re.MULTILINE)


def exported(app: Flask, schemas: list[Any], result_schemas: list[Any] | None = None) -> str:
    hooks = ProxyHooks(app)
    for number, each in enumerate(schemas):
        hooks.rpc(f"m{number:02}", data_schema=each, result_schema=each)(lambda req: RPCResult())
    hooks.subscribe("news")(lambda req: SubscribeResult())
    return typescript(contract_of(hooks))


def names_in_the_module() -> set[str]:
    app = Flask("plain")
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    return set(DECLARED.findall(exported(app, [])))


@needs_compiler
@pytest.mark.slow
def test_schemas_may_have_any_name_and_none_clashes_with_the_module_or_the_language(app: Flask, tmp_path: Path) -> None:
    words = sorted(names_in_the_module() | set(WORDS.split()))
    assert {"RpcMethods", "ConnectData", "Publications", "errors"} <= set(words)
    names = [*(f"{word}Schema" for word in words), *ODD_NAMES]
    text = exported(app, [schema(name, value=fields.Integer(required=True)) for name in names])
    compile_module(text, tmp_path)
    declared = DECLARED.findall(text)
    assert len(declared) == len(set(declared))
    assert {f"{word}_" for word in words} <= set(declared)
    assert not set(WORDS.split()) & set(declared)
    assert {"Größe", "Ελλάδα", "Привет", "日本語", "Schema", "_1st", "a_b", "a_b2", "a_b3", "a_b4"} <= set(declared)


@needs_compiler
@pytest.mark.slow
def test_fields_may_have_any_name(app: Flask, tmp_path: Path) -> None:
    of_fields = {f"field{number}": fields.Integer(data_key=key, required=True) for number, key in enumerate(ODD_KEYS)}
    text = exported(app, [schema("Odd", **of_fields)])
    right = dict.fromkeys(ODD_KEYS, 1)
    wrong = [right | {key: "a"} for key in ODD_KEYS]
    errors = unassignable(text, [("contract.Odd", value) for value in [right, *wrong]], tmp_path)
    assert set(errors) == set(range(1, len(wrong) + 1))


@needs_compiler
@pytest.mark.slow
def test_patterns_and_codes_may_have_any_characters(app: Flask, tmp_path: Path) -> None:
    members = {"code": 1011, "message": 'a "b"\n*/ \u2028 é', "__module__": __name__}
    kept = type("__proto__", (Error,), members)
    globals()["__proto__"] = kept
    hooks = ProxyHooks(app)
    for pattern in ODD_PATTERNS:
        hooks.publish(pattern)(lambda req, **variables: PublishResult())
        hooks.rpc(pattern)(lambda req, **variables: RPCResult())
    try:
        text = typescript(contract_of(hooks))
    finally:
        del globals()["__proto__"]
    assert "чат" in text
    assert "\u2028" not in text
    assert "\u202e" not in text
    program = 'import { channels, methods, errors } from "./contract.js";\n'
    program += "const all = Object.values(channels).map((make: any) => make({ n: 1, größe: 'x' }));\n"
    program += "console.log(JSON.stringify([all, Object.keys(methods).length, errors['__proto__']]));\n"
    (tmp_path / "program.ts").write_text(program)
    compile_module(text, tmp_path, "program.ts")
    ran = node("program.js", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    channels, methods, code = json.loads(ran.stdout)
    assert sorted(channels) == sorted(
        pattern.replace("<int:n>", "1").replace("<größe>", "x") for pattern in ODD_PATTERNS
    )
    assert methods == len(ODD_PATTERNS) - 1  # a method without variables needs no function
    assert code == {"code": 1011, "message": members["message"], "temporary": False}


def test_classes_with_the_same_name_have_different_types(app: Flask) -> None:
    first, second = schema("ItemSchema", a=fields.Integer()), schema("Item", b=fields.String())
    text = exported(app, [first, second, first(many=True)])
    assert "export type Item = { a?: number };" in text
    assert "export type Item2 = { b?: string };" in text
    assert '"m02": { data: Array<Item>; result: Array<ItemResult> };' in text
    assert names_of_types(text)[:4] == ["Item", "Item2", "Item2Result", "ItemResult"]


class Deep(Schema):
    x = fields.Integer(required=True)
    y = fields.Integer()


class Middle(Schema):
    deep = fields.Nested(Deep)
    many = fields.List(fields.Nested(Deep))
    by_key = fields.Dict(values=fields.Nested(Deep))


class Outer(Schema):
    middle = fields.Nested(Middle)


@pytest.mark.parametrize(
    ("made", "types"),
    [
        (Outer(), ["{ x: number; y?: number }"]),
        (Outer(only=["middle.deep.x"]), ["{ x: number }"]),
        (Outer(exclude=["middle.deep.x", "middle.many", "middle.by_key"]), ["{ y?: number }"]),
        (
            Outer(exclude=["middle.deep.x", "middle.many.y"]),
            ["{ y?: number }", "{ x: number }", "{ x: number; y?: number }"],
        ),
        (Outer(partial=True), ["{ x?: number; y?: number }"]),
        (
            Outer(partial=["middle.deep.x"]),
            ["{ x?: number; y?: number }", "{ x: number; y?: number }"],
        ),
        (Outer(unknown=INCLUDE), ["{ x: number; y?: number }"]),
        (Middle(dump_only=["deep.x"]), ["{ y?: number }", "{ x: number; y?: number }"]),
    ],
)
def test_options_reach_the_schemas_inside(made: Schema, types: list[str], app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.rpc("m", data_schema=made)(lambda req: RPCResult())
    found = re.findall(r"^export type Deep\d* = (.*);$", typescript(contract_of(hooks)), re.MULTILINE)
    assert found == types


def test_a_schema_without_and_with_options_has_two_types(app: Flask) -> None:
    text = exported(app, [Deep(), Deep(only=["x"]), Deep(partial=True), Deep(), Deep(only=["x"])])
    assert [name for name in names_of_types(text) if not name.endswith("Result")][:3] == ["Deep", "Deep2", "Deep3"]
    assert "export type Deep2 = { x: number };" in text
    assert "export type Deep3 = { x?: number; y?: number };" in text
    assert '"m03": { data: Deep; result: DeepResult };' in text
    assert '"m04": { data: Deep2; result: Deep2Result };' in text
    assert '"m02": { data: Deep3; result: DeepResult };' in text  # partial says nothing of results


def test_options_for_the_schemas_inside_make_another_type(app: Flask) -> None:
    text = exported(app, [Outer(), Outer(only=["middle.deep.x"])])
    assert "export type Outer2 = { middle?: Middle2 };" in text
    assert "export type Middle2 = { deep?: Deep2 };" in text
    assert "export type Deep2 = { x: number };" in text


def test_a_schema_may_contain_itself(app: Flask) -> None:
    class Node(Schema):
        children = fields.List(fields.Nested(lambda: Node()))
        parent = fields.Nested(lambda: Node(exclude=["parent", "children"]), allow_none=True)

    text = exported(app, [Node])
    assert "export type Node = { children?: Array<Node>; parent?: Node2 | null };" in text


def test_a_dict_of_fields_may_contain_itself(app: Flask) -> None:
    tree: dict[str, Any] = {"value": fields.Integer()}
    tree["children"] = fields.List(fields.Nested(lambda: tree))

    def chain() -> Any:
        return {"next": fields.Nested(chain)}

    text = exported(app, [Schema.from_dict({"tree": fields.Nested(tree), "chain": fields.Nested(chain)}, name="Two")])
    assert "export type Two = { tree?: Generated; chain?: Generated3 };" in text
    assert "export type Generated2 = { value?: number; children?: Array<Generated2> };" in text
    assert "export type Generated3 = { next?: Generated3 };" in text


def test_a_dict_of_fields_has_one_type(app: Flask) -> None:
    class HasDict(Schema):
        inner = fields.Nested({"a": fields.Integer(), "own": fields.Nested({"b": fields.Integer()})})
        other = fields.Integer()

    names = names_of_types(exported(app, [HasDict(), HasDict(exclude=["other"])]))
    assert [name for name in names if name.startswith("Generated")] == [
        "Generated",
        "Generated2",
        "Generated2Result",
        "GeneratedResult",
    ]


@pytest.mark.parametrize(
    ("field", "named"),
    [
        (fields.Nested("NoSuchSchema"), "NoSuchSchema"),
        (fields.List(fields.Nested(lambda: "NoSuchSchema")), "NoSuchSchema"),
        (fields.Nested(Deep, only=["nothing"]), "nothing"),
        (fields.Pluck(Deep, "nothing"), "nothing"),
    ],
)
def test_a_nested_schema_that_does_not_exist_is_an_error_with_its_name(
    field: fields.Field[Any], named: str, app: Flask
) -> None:
    with pytest.raises(SetupError, match=rf"^the field other of Broken has no schema: .*{named}"):
        exported(app, [schema("Broken", other=field)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b", "a_b"), ("1", "_1"), ("Größe", "Größe"), ("", "_"), ("$a", "$a"), ("a\u200db", "a_b"), ("a\u200c", "a_")],
)
def test_identifiers_keep_the_letters_of_all_languages(name: str, expected: str) -> None:
    assert identifier(name) == expected
