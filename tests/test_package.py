"""The package as a whole: its public names, what imports what, and what loading it costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import proxyhooks

PACKAGE = Path(proxyhooks.__file__).parent

# Imports point down only, never sideways.
LAYERS = [
    ["cli.call", "cli.check", "cli.codes", "cli.config", "cli.doctor", "cli.export", "cli.hooks", "cli.secret"],
    ["cli", "cli._app", "cli._table", "gunicorn", "pytest_plugin"],
    ["_retirement"],
    ["_handover", "_listener", "_lives"],
    ["testing"],
    ["_steps", "contract", "_typescript"],
    ["_client"],
    ["centrifugo.checks"],
    ["centrifugo._file"],
    ["centrifugo.merge"],
    ["centrifugo.generate"],
    ["centrifugo.connection", "centrifugo.config", "centrifugo.findings"],
    ["centrifugo.probe"],
    ["centrifugo._manners"],
    ["centrifugo._line"],
    ["responses"],
    ["_extension"],
    ["_fast"],
    ["_fast._way"],
    ["_fast._context", "_fast._dumping", "_fast._loading", "_fast._safety"],
    ["_fast._plain"],
    ["_guard"],
    ["_entrance"],
    ["_after", "_dispatch"],
    ["_answers"],
    ["centrifugo.judge"],
    ["centrifugo._advice"],
    ["centrifugo._go"],
    ["centrifugo._parse"],
    ["_hooks", "_secrets", "signals", "schemas", "centrifugo.backend", "centrifugo.verdict", "centrifugo._keys"],
    ["_decorators", "_overload", "_signatures", "_tree", "centrifugo"],
    ["_events", "_patterns", "_wire"],
    ["errors", "disconnects", "messages"],
    ["_requests", "_results"],
    ["exceptions", "_fields", "_json"],
    ["_codes", "_clock", "_uses"],
]
NEEDS_FLASK = {
    "_extension",
    "_fast",
    "_fast._way",
    "_fast._context",
    "_fast._safety",
    "_guard",
    "_entrance",
    "_after",
    "responses",
    "testing",
    "_client",
    "cli",
    "cli._app",
}
MAY_NEED_FLASK = {name for name in LAYERS[0] if name.startswith("cli.")} | {"pytest_plugin"}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def imports(name: str) -> tuple[set[str], set[str]]:
    """The modules of the package and the packages of others that a module imports."""
    own: set[str] = set()
    others: set[str] = set()
    path = FILES[name]
    inside = module_name(path.parent / "__init__.py").split(".") if path.parent != PACKAGE else []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = inside[: len(inside) - (node.level - 1)]
            base = [*start, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                module = ".".join([*base, alias.name])
                own.add(module if module in FILES else ".".join(base))
        elif isinstance(node, ast.ImportFrom) and node.module:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            others.update(alias.name.split(".")[0] for alias in node.names)
    return own - {""}, others


def test_every_module_has_its_layer() -> None:
    assert set(FILES) - {""} == set(RANK)


@pytest.mark.parametrize("name", sorted(RANK))
def test_imports_point_down(name: str) -> None:
    own, others = imports(name)
    for imported in own:
        assert RANK[imported] > RANK[name], f"{name} imports {imported}"
    assert "flask" not in others or name in NEEDS_FLASK | MAY_NEED_FLASK
    assert "flask" in others or name not in NEEDS_FLASK


@pytest.mark.parametrize("name", sorted(FILES))
def test_modules_stay_small(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) <= 300


def test_the_public_names() -> None:
    for name in proxyhooks.__all__:
        assert getattr(proxyhooks, name) is not None
        assert name in dir(proxyhooks)
    documented = {
        "ProxyHooks", "Hooks", "ChannelPattern", "current_request", "after_reply", "NULL", "Rejection", "Error",
        "Disconnect", "ProxyHooksError", "SetupError", "HookResultError", "errors", "disconnects", "read_request",
        "result_response", "error_response", "disconnect_response", *proxyhooks.messages.__all__,
    }  # fmt: skip
    assert set(proxyhooks.__all__) == documented
    with pytest.raises(AttributeError, match="nothing"):
        proxyhooks.nothing  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        "errors",
        "disconnects",
        "exceptions",
        "messages",
        "responses",
        "schemas",
        "gunicorn",
        "testing",
        "centrifugo.judge",
    ],
)
def test_what_a_module_promises_is_there(name: str) -> None:
    module = importlib.import_module(f"proxyhooks.{name}")
    for public in module.__all__:
        assert hasattr(module, public)


def loaded(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after a statement."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["proxyhooks", "proxyhooks.gunicorn", "proxyhooks.errors, proxyhooks.messages"])
def test_flask_is_loaded_only_where_it_is_needed(module: str) -> None:
    assert not {"flask", "werkzeug", "marshmallow"} & loaded(f"import {module}")


def test_py_typed_is_there() -> None:
    assert (PACKAGE / "py.typed").exists()
