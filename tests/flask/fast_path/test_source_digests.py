"""Digests tell functions that do the same from functions that may not, and the known ones are those installed."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from marshmallow import Schema, fields

from proxyhooks._flask.fast_path.compiled_dump import compile_dump
from proxyhooks._flask.fast_path.compiled_load import compile_load
from proxyhooks._flask.fast_path.source_digests import SCHEMAS, digest, installed_function, unknown_functions
from tests.support import source_digests

SOURCE = "def function(a, b=1):\n    return f'{a} {b!r}' if a else (b, None)\n"


@pytest.fixture
def function_from(tmp_path: Path) -> Callable[[str], Any]:
    """Make the function of a source."""

    def make(source: str) -> Any:
        path = tmp_path / f"module{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.function

    return make


@pytest.mark.parametrize(
    "source",
    [
        "# comment\n\n" + SOURCE,
        SOURCE.replace("    return", "    'Docstring.'\n    # comment\n    return"),
        SOURCE.replace("(a, b=1)", "(a: int, b: int = 1) -> object"),
        SOURCE.replace(" if a else", "\\\n        if a\\\n        else"),
        SOURCE.replace("f'{a} {b!r}'", 'f"{a} {b!r}"'),
    ],
)
def test_comments_annotations_and_formatting_do_not_change_a_digest(
    source: str, function_from: Callable[[str], Any]
) -> None:
    assert digest(function_from(source)) == digest(function_from(SOURCE)) == "003f88f3a014"


@pytest.mark.parametrize(
    "source",
    [
        SOURCE.replace("b=1", "b=2"),
        SOURCE.replace("b!r", "b!s"),
        SOURCE.replace("None", "a"),
        SOURCE.replace("    return", "    a = b\n    return"),
        SOURCE.replace("def function", "async def function"),
    ],
)
def test_other_code_has_another_digest(source: str, function_from: Callable[[str], Any]) -> None:
    assert digest(function_from(source)) not in (None, digest(function_from(SOURCE)))


def test_what_is_not_a_plain_function_has_no_digest(function_from: Callable[[str], Any]) -> None:
    function = function_from(SOURCE)
    wrapped = functools.wraps(function)(lambda *args: function(*args))
    scope: dict[str, Any] = {}
    exec(SOURCE, scope)
    for other in (wrapped, mock.Mock(function), functools.partial(function), len, None, scope["function"]):
        assert digest(other) is None


def test_a_function_that_does_not_exist_is_unknown() -> None:
    names = ["flask.app:Flask.nothing", "flask.nothing:function", "nothing:function"]
    assert [installed_function(name) for name in names] == [None, None, None]
    assert unknown_functions({name: {"003f88f3a014": "1.0"} for name in names}) == names


def test_the_installed_releases_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert unknown_functions(SCHEMAS) == []
    source_digests.main()
    printed = capsys.readouterr().out
    assert "flask.app:Flask.wsgi_app" in printed
    assert "unknown" not in printed
    assert "no source" not in printed


def test_an_unknown_marshmallow_loads_and_dumps_by_itself() -> None:
    schema: Schema = Schema.from_dict({"text": fields.String()})()
    assert compile_load(schema) is not None
    assert compile_dump(schema) is not None
    known: Any = SCHEMAS
    with mock.patch.dict(known, {"marshmallow.schema:Schema._do_load": {}}):
        assert compile_load(schema) is None
        assert compile_dump(schema) is None
