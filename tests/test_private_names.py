"""The contributors' table has every private name of Flask, Werkzeug, marshmallow and gunicorn that the package uses."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import flask.ctx

from tests.support.paths import ROOT

PACKAGE = ROOT / "proxyhooks"
HEADING = "## Private names of other packages\n"
# The documentation of Flask calls these internal, although they have no underscore.
INTERNAL = {
    "after_request_funcs",
    "before_request_funcs",
    "finalize_request",
    "full_dispatch_request",
    "teardown_appcontext_funcs",
    "teardown_request_funcs",
    "url_value_preprocessors",
    "view_functions",
}
# gunicorn documents its settings and its server hooks, but not the objects that it calls the hooks with.
GUNICORN_OBJECTS = {"arbiter", "left", "other_worker", "req", "request", "server", "worker"}
OTHER_PACKAGES = {"flask", "gunicorn", "marshmallow", "werkzeug"}
ENVIRON_KEY = re.compile(r"(gunicorn|werkzeug)\.(?!access|error)[a-z_.]+")  # not the names of gunicorn's loggers
PRIVATE = re.compile(r"_[A-Za-z]\w*")
OF_PYTHON = {"_asdict", "_exit", "_replace", "_typeshed"}

Use = tuple[str, str]
"""A private name, and the folder or top-level file of the package that uses it."""


def test_the_table_has_every_private_name_that_is_used_and_no_other() -> None:
    assert sorted(uses_in_the_source()) == sorted(uses_in_the_table())


def uses_in_the_table() -> set[Use]:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    assert HEADING in text
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {
        (name, where.strip("`").rstrip("/"))
        for _, names, where, consequence in rows[2:]
        for name in re.findall("`([^`]+)`", names)
        if consequence
    }


def uses_in_the_source() -> set[Use]:
    uses = set()
    for path in PACKAGE.rglob("*.py"):
        where = path.parent if path.parent != PACKAGE else path
        uses |= {(name, str(where.relative_to(PACKAGE))) for name in names_used_in(path) if name not in OF_PYTHON}
    return uses


def names_used_in(path: Path) -> Iterator[str]:
    own, in_gunicorn = names_defined_for(path), "gunicorn" in path.relative_to(PACKAGE).parts
    modules = imported_modules(path)

    def is_private(name: str) -> bool:
        return name in INTERNAL or (PRIVATE.fullmatch(name) is not None and name not in own)

    def is_foreign(owner: ast.expr, name: str) -> bool:
        return is_private(name) or (in_gunicorn and last_name(owner) in GUNICORN_OBJECTS)

    for node in ast.walk(tree_of(path)):
        match node:
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                yield from filter(PRIVATE.fullmatch, [*module.split("."), *(alias.name for alias in aliases)])
            case ast.Attribute(value=owner, attr=name) if is_foreign(owner, name):
                yield name
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[owner, ast.Constant(str(name)), *_]):
                if is_foreign(owner, name):
                    yield name
            case ast.Constant(value=str(text)):
                if ENVIRON_KEY.fullmatch(text) or (is_private(text) and modules & OTHER_PACKAGES):
                    yield text
            case ast.ClassDef():
                yield from names_of_base_classes(node)


def names_of_base_classes(node: ast.ClassDef) -> set[str]:
    """Return the private attributes of Flask's contexts that a subclass of one of them uses or defines."""
    if not any(isinstance(base, ast.Name) and hasattr(flask.ctx, base.id) for base in node.bases):
        return set()
    of_flask = set(re.findall(r"self\.(_[a-z]\w*)", Path(flask.ctx.__file__).read_text()))
    names = {getattr(inner, "attr", getattr(inner, "name", "")) for inner in ast.walk(node)}
    return names & of_flask


def names_defined_for(path: Path) -> set[str]:
    """Return the names that this file defines, or a file of the package that it imports, directly or not."""
    files, names = {path}, set()
    to_visit = [path]
    while to_visit:
        defined, imported = definitions_and_imports(to_visit.pop())
        names |= defined
        to_visit += imported - files
        files |= imported
    return names


@functools.cache
def definitions_and_imports(path: Path) -> tuple[set[str], set[Path]]:
    names, imported = set(), set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.ImportFrom(module=module, names=aliases, level=level) if level:
                folder = path.parents[level - 1].joinpath(*(module or "").split("."))
                for target in (folder, *(folder / alias.name for alias in aliases)):
                    imported |= {file for file in (target.with_suffix(".py"), target / "__init__.py") if file.is_file()}
    return names, imported


def imported_modules(path: Path) -> set[str]:
    """The top-level packages that the file imports."""
    modules = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Import(names=aliases):
                modules |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), level=0):
                modules.add(module.partition(".")[0])
    return modules


def last_name(node: ast.expr) -> str:
    """``worker`` of ``worker`` and of ``self._worker``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
    return ""


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())
