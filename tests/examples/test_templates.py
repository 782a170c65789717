"""Each template works as a project of its own, written by ``flask centrifugo new`` from the installed wheel."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.docs import document
from tests.docs.markdown import links, read
from tests.docs.package import CENTRIFUGO
from tests.docs.shell import Shell
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import ROOT
from tests.support.wheel import install_beside_others, run

EXAMPLES = ROOT / "examples"
TEMPLATES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))
WITH_HOOKS = [name for name in TEMPLATES if name != "plain_views"]
WITH_PAGE = [name for name in TEMPLATES if (EXAMPLES / name / "web" / "package.json").exists()]
KEYS = {"FLASK_SECRET_KEY": "for tests", "FLASK_PROXYHOOKS_SECRETS": '["for tests"]'}
SETTINGS = KEYS | {
    "FLASK_CENTRIFUGO_API_KEY": "for tests",
    "FLASK_CENTRIFUGO_API_URL": "http://127.0.0.1:9/api",
    "FLASK_CENTRIFUGO_WEBSOCKET_URL": "ws://127.0.0.1:9/connection/websocket",
    "FLASK_REDIS_URL": "redis://127.0.0.1:9/0",
    "FLASK_SESSION_COOKIE_SECURE": "false",
}
"""What the shell has in which somebody has followed a README."""
LOCK_FILES = sorted(EXAMPLES.glob("*/web/package-lock.json"))
NPM = shutil.which("npm")


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the wheel."""
    return install_beside_others(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture
def environ(programs: Path) -> dict[str, str]:
    left_out = ("CENTRIFUGO", "FLASK_", "GUNICORN", "PROXYHOOKS_", "PYTEST", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return inherited | {"PATH": f"{programs}:{os.environ['PATH']}"}


def new_project(template: str, directory: Path, environ: dict[str, str]) -> Path:
    """The project that a user makes in an empty directory."""
    directory.mkdir(exist_ok=True)
    run("flask", "centrifugo", "new", "project", "--template", template, cwd=directory, **environ)
    return directory / "project"


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def project(template: str, tmp_path: Path, environ: dict[str, str]) -> Path:
    return new_project(template, tmp_path, environ)


def pyproject(template: str) -> Any:
    return tomllib.loads((EXAMPLES / template / "pyproject.toml").read_text())


# what it does


def test_its_tests_pass_and_the_type_checkers_find_nothing(
    template: str, project: Path, programs: Path, environ: dict[str, str], pytestconfig: pytest.Config
) -> None:
    # Two mypy with one cache at the same time get in each other's way, so each process of tests has its own.
    name = f"mypy_of_templates_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    cache = str(pytestconfig.cache.mkdir(name)) if pytestconfig.cache else os.devnull
    commands = [
        ("pytest", "-q", "-p", "no:cacheprovider"),
        ("mypy", "--strict", "--cache-dir", cache, *([] if "files" in pyproject(template)["tool"]["mypy"] else ["."])),
        (sys.executable, "-m", "pyright", "--pythonpath", str(programs / "python")),
    ]
    if find_spec("mypy") is None:  # "tests/run lowest" installs no type checkers
        del commands[1:]
    started = [
        subprocess.Popen(
            command, cwd=project, env=environ | SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for command in commands
    ]
    printed = [process.communicate(timeout=200)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(commands), "\n".join(printed)
    assert re.search(r"^\d+ passed", printed[0], re.MULTILINE), printed[0]
    assert "skipped" not in printed[0]


def test_its_readme_works_in_an_empty_folder(
    template: str, project: Path, programs: Path, environ: dict[str, str]
) -> None:
    written = json.loads((project / "centrifugo.json").read_text())
    with Shell(project) as shell:
        # The tests run in the test above; here they are only found.
        shell.run(f'export PATH="{programs}:$PATH" PYTEST_ADDOPTS="-q -p no:cacheprovider --collect-only"')
        config = project / "centrifugo.json"
        config.write_text(shell.translate(config.read_text()))
        document.run(f"examples/{template}/README.md", shell, centrifugo=CENTRIFUGO)
        assert json.loads(config.read_text()) == json.loads(shell.translate(json.dumps(written)))


@pytest.mark.parametrize("template", WITH_HOOKS, indirect=True)
def test_its_configuration_is_the_one_that_is_written_and_fits_the_hooks(
    project: Path, template: str, environ: dict[str, str]
) -> None:
    app = "app" if (project / "app.py").exists() else template
    flask = ("flask", "--app", app, "centrifugo")
    environ = environ | KEYS | {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "for tests"}
    url = ("--base-url", "http://127.0.0.1:8070")
    written = run(*flask, "config", *url, "--merge", "centrifugo.json", cwd=project, **environ)
    assert written == (project / "centrifugo.json").read_text()
    assert "no findings" in run(*flask, "check", "centrifugo.json", *url, cwd=project, **environ)


HOOKS_LIKE_THE_VIEWS = """
from flask import Flask
from proxyhooks import ProxyHooks

app = Flask(__name__)
hooks = ProxyHooks(app, secrets=["for tests"])
hooks.connect(lambda req: None)
hooks.refresh(lambda req: None)
hooks.publish("inbox:<user>")(lambda req, user: None)
hooks.rpc(lambda req: None)
"""


def test_the_configuration_of_plain_views_is_the_one_for_hooks_of_the_same_events(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "like_the_views.py").write_text(HOOKS_LIKE_THE_VIEWS)
    config = EXAMPLES / "plain_views" / "centrifugo.json"
    words = ("config", "--base-url", "http://127.0.0.1:8070", "--merge", config)
    assert run("flask", "--app", "like_the_views", "centrifugo", *words, cwd=tmp_path, **environ) == config.read_text()


@pytest.mark.centrifugo
def test_centrifugo_accepts_its_configuration(template: str, environ: dict[str, str]) -> None:
    environ = environ | {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "for tests"}
    run(centrifugo_binary(), "checkconfig", "-s", "-c", "centrifugo.json", cwd=EXAMPLES / template, **environ)


@pytest.mark.parametrize("template", WITH_PAGE, indirect=True)
@pytest.mark.skipif(NPM is None, reason="npm is not on PATH, and builds the pages")
def test_its_page_builds(project: Path, template: str, environ: dict[str, str]) -> None:
    contract = ("export", "typescript", "--check", "web/src/contract.ts")
    run("flask", "--app", template, "centrifugo", *contract, cwd=project, **environ, **KEYS)
    static = project / template / "static"
    assert not list(static.glob("*.js"))
    run("npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", cwd=project / "web", **environ)
    run("npm", "run", "build", cwd=project / "web", **environ)
    assert list(static.glob("*.js"))
    run("npm", "run", "test", "--if-present", cwd=project / "web", **environ)


@pytest.mark.parametrize("template", ["minimal", "plain_views"], indirect=True)
def test_it_does_not_start_without_keys(project: Path, environ: dict[str, str]) -> None:
    started = subprocess.run(
        ["flask", "--app", "app", "token", "ada"], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    assert started.returncode != 0
    assert "FLASK_SECRET_KEY must be a text" in started.stderr


# what it consists of


@pytest.mark.parametrize("template", WITH_PAGE)
def test_its_readme_names_every_file_that_a_new_name_of_the_package_changes(template: str) -> None:
    use = re.compile(rf"""(from|import) {template}\b|\b{template}/static|\["{template}"\b""")
    tracked = (EXAMPLES / template, EXAMPLES / template / "web", EXAMPLES / template / "tests")
    files = {path.relative_to(EXAMPLES / template): path for folder in tracked for path in folder.glob("*.*")}
    files = {name: path for name, path in files.items() if path.is_file() and path.suffix != ".md"}
    uses = {name for name, path in files.items() if use.search(path.read_text())}
    (item,) = re.findall(r"The name of the package:.*?(?=\n\d|\Z)", read(f"examples/{template}/README.md"), re.DOTALL)
    named = {word for word in re.findall(r"`([^`]+)`", item) if (EXAMPLES / template / word).exists()} - {template}
    assert {"tests" if name.parent.name == "tests" else name.as_posix() for name in uses} == named


def test_minimal_is_short() -> None:
    assert len((EXAMPLES / "minimal" / "app.py").read_text().splitlines()) < 50


def test_the_guide_has_a_row_for_each_template() -> None:
    rows = re.findall(r"^\| \[`(\w+)/`\]\(\1\) \| ", read("examples/README.md"), re.MULTILINE)
    assert sorted(rows) == TEMPLATES


def test_its_files_are_those_of_every_template(template: str) -> None:
    names = {path.name for path in (EXAMPLES / template).iterdir()}
    assert names >= {"README.md", "pyproject.toml", "centrifugo.json", ".gitignore"}
    assert names & {"test_app.py", "tests"}
    assert len(read(f"examples/{template}/README.md").splitlines()) <= 95
    assert all(link.startswith("https://") for link in links(f"examples/{template}/README.md"))


@pytest.mark.parametrize("path", ["{package}/page.py", "web/.npmrc", "web/tsconfig.json"])
def test_what_two_templates_have_in_common_is_the_same(path: str) -> None:
    assert len({read(f"examples/{name}/{path.format(package=name)}") for name in WITH_PAGE}) == 1


def test_the_pages_ask_the_backend_in_the_same_way() -> None:
    sources = [read(f"examples/{name}/web/src/api.ts") for name in WITH_PAGE]
    assert len({source[source.index("async function request<") :] for source in sources}) == 1


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.parts[-3])
def test_its_lock_file_names_no_registry(path: Path) -> None:
    assert "http" not in re.sub(r'"(url|funding)": "[^"]*"', "", path.read_text())


def needed(requirements: list[Requirement], known: set[str] | None = None) -> set[str]:
    """The distributions that are installed for these requirements, by their names in lower case."""
    known = set() if known is None else known
    for requirement in requirements:
        name = re.sub("[-_.]+", "-", requirement.name).lower()
        if name in known and not requirement.extras:
            continue
        known.add(name)
        try:
            more = [Requirement(text) for text in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:
            continue  # one that only another platform needs
        extras = requirement.extras or {""}
        needed(
            [one for one in more if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras)], known
        )
    return known


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def test_it_imports_only_what_its_pyproject_names(template: str) -> None:
    project, folder = pyproject(template), EXAMPLES / template
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    named += [text for extra in project["project"].get("optional-dependencies", {}).values() for text in extra]
    distributions = needed([Requirement(text) for text in named])
    own = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    own |= {path.stem for path in folder.glob("tests/*.py")}
    of_packages = metadata.packages_distributions()
    for path in folder.rglob("*.py"):
        if {"node_modules", ".venv"} & set(path.parts):
            continue
        for name in set(imported(path.read_text())) - own - sys.stdlib_module_names:
            found = {re.sub("[-_.]+", "-", one).lower() for one in of_packages.get(name, [name])}
            assert found & distributions, f"{path.relative_to(ROOT)} imports {name}"


def test_the_group_examples_has_what_the_templates_need() -> None:
    named = {text for name in TEMPLATES for text in pyproject(name)["project"]["dependencies"]}
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    own = {text for text in named if Requirement(text).name == "proxyhooks"}
    extras = {extra for text in own for extra in Requirement(text).extras}
    from_extras = {text for extra in extras for text in root["project"]["optional-dependencies"][extra]}
    assert (named - own) | from_extras == set(root["dependency-groups"]["examples"])
