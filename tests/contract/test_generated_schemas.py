"""Generated schemas: the types take what ``load`` takes, and not what it refuses for its type."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from marshmallow import ValidationError

from proxyhooks import ProxyHooks, RPCResult
from proxyhooks.contract import contract_of
from proxyhooks.contract.typescript import typescript
from tests.support.generated_schemas import Generator, MadeSchema
from tests.support.typescript import needs_compiler, unassignable

SCHEMAS = max(1, int(os.environ.get("PROXYHOOKS_CASES", "6000")) // 20)
VALUES = 4
"""Values of each kind for each schema."""


def loads(schema: Any, value: Any) -> bool:
    try:
        schema.load(value)
    except ValidationError:
        return False
    return True


def validator(contract: dict[str, Any], number: int, payload: str) -> jsonschema.Draft202012Validator:
    json_schema = contract["rpc"][f"m{number}"][payload]
    return jsonschema.Draft202012Validator({**json_schema, "$defs": contract["$defs"]})


@pytest.fixture(scope="module")
def made() -> list[MadeSchema]:
    return [Generator(seed).schema(depth=2) for seed in range(SCHEMAS)]


def dumped(each: MadeSchema, value: Any) -> Any:
    """What is dumped of a loaded value, as JSON."""
    return json.loads(json.dumps(each.schema.dump(each.schema.load(value)), default=float))


@pytest.fixture
def contract(app: Flask, made: list[MadeSchema], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    # Hooks refuse a result_schema with a bare Decimal; here the function dumped() writes it as a number.
    monkeypatch.setattr("proxyhooks._dispatch.schema_options.check_dumps_json", lambda *_: None)
    hooks = ProxyHooks(app)
    for number, each in enumerate(made):
        hooks.rpc(f"m{number}", data_schema=each.schema, result_schema=each.schema)(lambda req: RPCResult())
    return contract_of(hooks)


def test_json_schemas_take_what_load_takes_and_what_dump_makes(
    made: list[MadeSchema], contract: dict[str, Any]
) -> None:
    json.dumps(contract, allow_nan=False)
    for number, each in enumerate(made):
        sent, got = validator(contract, number, "data"), validator(contract, number, "result")
        for value in (each.right() for _ in range(VALUES)):
            assert loads(each.schema, value), (number, value)
            assert sent.is_valid(value), (number, value, [error.message for error in sent.iter_errors(value)])
            if not each.any_partial:
                result = dumped(each, value)
                assert got.is_valid(result), (number, result, [error.message for error in got.iter_errors(result)])


def test_json_schemas_refuse_what_load_refuses(made: list[MadeSchema], contract: dict[str, Any]) -> None:
    refused = 0
    for number, each in enumerate(made):
        sent = validator(contract, number, "data")
        for make in (each.wrong, each.outside):
            for value in (make() for _ in range(VALUES) if make is not None):
                if not loads(each.schema, value):
                    assert not sent.is_valid(value), (number, value)
                    refused += 1
    assert refused > SCHEMAS


@needs_compiler
@pytest.mark.slow
def test_typescript_takes_what_load_takes_and_not_what_it_refuses_for_its_type(
    made: list[MadeSchema], contract: dict[str, Any], tmp_path: Path
) -> None:
    right: list[tuple[str, Any]] = []
    wrong: list[tuple[str, Any]] = []
    for number, each in enumerate(made):
        data, result = (f'contract.RpcMethods["m{number}"]["{payload}"]' for payload in ("data", "result"))
        for value in (each.right() for _ in range(VALUES)):
            right.append((data, value))
            if not each.any_partial:
                right.append((result, dumped(each, value)))
        wrong += [(data, value) for value in (each.wrong() for _ in range(VALUES)) if not loads(each.schema, value)]
    errors = unassignable(typescript(contract), [*right, *wrong], tmp_path)
    assert [(right[number], text) for number, text in errors.items() if number < len(right)] == []
    assert [value for number, value in enumerate(wrong, len(right)) if number not in errors] == []
    assert len(wrong) > SCHEMAS
