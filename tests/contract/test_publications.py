"""What is dumped for publications fits the contract, or is refused."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import jsonschema
import pytest
from flask import Flask

from proxyhooks import ProxyHooks, PublicationError
from proxyhooks.contract import contract_of
from tests.support.generated_schemas import Generator, MadeSchema

SCHEMAS = max(1, int(os.environ.get("PROXYHOOKS_CASES", "6000")) // 20)
VALUES: list[Any] = [
    *("", "a", "text", "no", "12", 0, 1, -3, 42, 1.0, 1.5, True, False, None),
    *([], ["a"], [1], [None], {}, {"a": 1}, {"n": "x"}, [{"n": 1}]),
]


def spoiled(rng: random.Random, made: MadeSchema) -> Any:
    """A value that the schema has loaded, mostly with other values or without some."""
    value = made.schema.load(made.right())
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and rng.random() < 0.8:
            for name in rng.sample(list(made.schema.fields), min(len(made.schema.fields), 2)):
                source = made.schema.fields[name].attribute or name
                if rng.random() < 0.3:
                    item.pop(source, None)
                else:
                    item[source] = rng.choice(VALUES)
    return value


def test_what_is_dumped_for_a_publication_fits_the_contract_or_is_refused(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Declarations refuse a schema with a bare Decimal; here it is written as a number.
    monkeypatch.setattr("proxyhooks._dispatch.schema_options.check_dumps_json", lambda *_: None)
    monkeypatch.setattr("proxyhooks._dispatch.publications.dumps", lambda *_: None)
    hooks, all_made = ProxyHooks(app), [Generator(seed).schema(depth=2) for seed in range(SCHEMAS)]
    for number, made in enumerate(all_made):
        hooks.publication(f"n{number}", made.schema)
    contract, dumped, refused = contract_of(hooks), 0, 0
    for number, made in enumerate(all_made):
        rng = random.Random(number)
        json_schema = {**contract["publications"][f"n{number}"], "$defs": contract["$defs"]}
        validator = jsonschema.Draft202012Validator(json_schema)
        for value in (spoiled(rng, made) for _ in range(8)):
            try:
                data = hooks.dump_publication(f"n{number}", value)
            except PublicationError:
                refused += 1
            else:
                data = json.loads(json.dumps(data, default=float))
                assert validator.is_valid(data), (number, value, [e.message for e in validator.iter_errors(data)])
                dumped += 1
    assert min(dumped, refused) > SCHEMAS
