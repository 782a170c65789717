"""The package as a whole: its public names, what imports what, and what loading it costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import proxyhooks
from tests.support.paths import ROOT

PACKAGE = Path(proxyhooks.__file__).parent

# The first part of a module's name decides its layer. Imports point down; inside a part they form no circle.
LAYERS = [
    "cli pytest_plugin",
    "testing contract responses metrics",
    "_flask",
    "schemas centrifugo signals",
    "_dispatch _settings",
    "errors disconnects",
    "messages exceptions",
    "_wire",
]
APART = "gunicorn"
"""Imports of the layers only the settings and what is at the bottom, and no Flask."""
MAY_NEED_FLASK = {"_flask", "responses", "testing", "cli"}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
LAYERS_OF_CENTRIFUGO = ["config.writing", "config.checks", "config.reading", "config", "go"]
"""Folders of ``centrifugo``, in which imports point down, too."""


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


def room(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_has_its_layer() -> None:
    assert {room(name) for name in FILES} - {""} == {*RANK, APART}


@pytest.mark.parametrize("name", sorted(set(FILES) - {""}))
def test_imports_point_down(name: str) -> None:
    own, others = imports(name)
    for imported in own:
        if room(imported) == APART:
            assert room(name) in ("cli", APART), f"{name} imports {imported}"
        elif room(imported) != room(name):
            assert room(name) == APART or RANK[room(imported)] > RANK[room(name)], f"{name} imports {imported}"
    if room(name) == APART:
        assert {room(imported) for imported in own} <= {APART, "_settings", "_wire"}
    assert "flask" not in others or room(name) in MAY_NEED_FLASK


@pytest.mark.parametrize("folder", LAYERS_OF_CENTRIFUGO)
def test_imports_between_folders_of_centrifugo_point_down(folder: str) -> None:
    above = LAYERS_OF_CENTRIFUGO[: LAYERS_OF_CENTRIFUGO.index(folder)]
    modules = [name for name in FILES if folder_of_centrifugo(name) == folder]
    assert modules
    for name in modules:
        for imported in imports(name)[0]:
            assert folder_of_centrifugo(imported) not in above, f"{name} imports {imported}"


def folder_of_centrifugo(name: str) -> str | None:
    """The longest of the folders that has the module."""
    folders = [folder for folder in LAYERS_OF_CENTRIFUGO if f"{name}.".startswith(f"centrifugo.{folder}.")]
    return max(folders, key=len, default=None)


def test_imports_form_no_circle() -> None:
    above: set[str] = set()
    done: set[str] = set()

    def visit(name: str) -> None:
        assert name not in above, f"a circle of imports goes through {name}"
        if name in done:
            return
        above.add(name)
        for imported in imports(name)[0] - {name}:
            visit(imported)
        above.remove(name)
        done.add(name)

    for name in set(FILES) - {""}:
        visit(name)


@pytest.mark.parametrize("name", sorted(FILES))
def test_modules_stay_small(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) <= 300


def test_the_public_names() -> None:
    public = set(vars(proxyhooks)["__all__"])
    for name in public:
        assert getattr(proxyhooks, name) is not None
        assert name in dir(proxyhooks)
    documented = {
        "ProxyHooks", "Hooks", "ChannelPattern", "CallLogFilter", "current_request", "after_reply", "NULL", "Rejection",
        "Error", "Disconnect", "ProxyHooksError", "SetupError", "HookResultError", "PublicationError",
        "errors", "disconnects", "read_request", "result_response", "error_response", "disconnect_response",
        *vars(proxyhooks.messages)["__all__"],
    }  # fmt: skip
    assert public == documented
    with pytest.raises(AttributeError, match="nothing"):
        proxyhooks.nothing  # type: ignore[attr-defined]  # noqa: B018


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
        "contract",
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


@pytest.mark.parametrize(
    "module",
    [
        "proxyhooks",
        "proxyhooks.gunicorn",
        "proxyhooks._settings.worker_settings",
        "proxyhooks.errors, proxyhooks.messages",
    ],
)
def test_flask_is_loaded_only_where_it_is_needed(module: str) -> None:
    assert not {"flask", "werkzeug", "marshmallow"} & loaded(f"import {module}")


def test_py_typed_is_there() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_lowest_versions_that_are_promised_are_those_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [line for line in (ROOT / "tests/lowest.txt").read_text().splitlines() if not line.startswith("#")]
    tested = versions(pins, "==")
    del tested["werkzeug"]  # which Flask requires
    assert versions(chain(project["dependencies"], *project["optional-dependencies"].values()), ">=") == tested


def versions(requirements: Iterable[str], operator: str) -> dict[str, Version]:
    """The versions that requirements name with an operator, by package."""
    return {
        canonicalize_name(requirement.name): Version(bound.version)
        for requirement in map(Requirement, requirements)
        for bound in requirement.specifier
        if bound.operator == operator
    }
