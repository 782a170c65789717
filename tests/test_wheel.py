"""The wheel: what it contains and says about itself, and that it works in an empty virtual environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from proxyhooks.cli import new
from tests.support.paths import ROOT
from tests.support.wheel import PIP, run


def test_the_wheel_contains_the_files_of_the_package_and_the_templates_and_no_others(
    wheel: Path, tmp_path: Path
) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {"proxyhooks/py.typed", "proxyhooks/_templates/minimal/.gitignore"} <= names
    sources = (path for path in (ROOT / "proxyhooks").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    package = {path.relative_to(ROOT).as_posix() for path in sources}
    for template in (path for path in (ROOT / "examples").iterdir() if path.is_dir()):
        new.copy(template, tmp_path / template.name)
    copied = {f"proxyhooks/_templates/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    assert names == package | copied


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_extras_are_for_users_and_not_for_tests(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == {"fast", "gunicorn", "metrics", "otel"}
    required = {re.split("[<>;]", line)[0] for line in metadata.get_all("Requires-Dist", [])}
    always = {"flask", "marshmallow", "typing-extensions"}
    of_extras = {"orjson", "gunicorn", "gunicorn-h1c", "opentelemetry-instrumentation-flask", "prometheus-client"}
    assert required == always | of_extras


def test_the_urls_of_the_project_are_published(metadata: Message) -> None:
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert urls.keys() == {"Homepage", "Documentation", "Changelog", "Source", "Issues"}
    assert all(url.startswith("https://github.com/proxyhooks/proxyhooks") for url in urls.values())
    assert metadata["Author"] == "The proxyhooks authors"


EVENTS = """
import runpy, sys
app = runpy.run_path(sys.argv[1])["app"]
post = app.test_client().post
print(post("/centrifugo/connect", json={}, headers={"X-Proxyhooks-Secret": "s3cret"}).json)
print(post("/centrifugo/connect", json={}).status_code)
"""


ENVIRON = {"FLASK_PROXYHOOKS_SECRETS": '["s3cret"]', "FLASK_SECRET_KEY": "for signing tokens"}


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the package, and what it depends on."""
    home = tmp_path_factory.mktemp("plain")
    venv.create(home)
    run(*PIP, "--python", home / "bin" / "python", "install", wheel, cwd=home)
    return home / "bin"


def test_the_minimal_example_runs_from_the_wheel(plain: Path, tmp_path: Path) -> None:
    printed = run(
        plain / "python", "-I", "-c", EVENTS, ROOT / "examples" / "minimal" / "app.py", cwd=tmp_path, **ENVIRON
    )
    assert printed.splitlines() == ["{'disconnect': {'code': 4501, 'reason': 'unauthorized'}}", "403"]
    code = "import sys, proxyhooks.gunicorn; print('flask' in sys.modules)"
    assert run(plain / "python", "-I", "-c", code, cwd=tmp_path) == "False\n"


def test_judge_client_and_commands_work_in_the_plain_install(plain: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "minimal" / "app.py", tmp_path / "app.py")
    flask = str(plain / "flask"), "--app", "app", "centrifugo"
    options = ["--base-url", "http://127.0.0.1:8070", "--allowed-origin", "http://a.example"]
    (tmp_path / "config.json").write_text(run(*flask, "config", *options, cwd=tmp_path, **ENVIRON))
    run(*flask, "check", "config.json", cwd=tmp_path, **ENVIRON)
    assert "inbox:<user>" in run(*flask, "hooks", cwd=tmp_path, **ENVIRON)
    assert "permission denied" in run(*flask, "codes", cwd=tmp_path, **ENVIRON)
    assert "inbox" in run(*flask, "export", "typescript", cwd=tmp_path, **ENVIRON)
    call = run(*flask, "call", "subscribe", "--user", "ada", "--channel", "inbox:ada", cwd=tmp_path, **ENVIRON)
    assert "allowed" in call
    doctor = [*flask, "doctor", "--url", "http://127.0.0.1:1", "--secret", "x"]
    examined = subprocess.run(doctor, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert "port 1 accepts no connection" in examined.stdout
    judge = "from proxyhooks.centrifugo.judge import judge; print(judge('rpc', 200, b'{}').outcome)"
    assert run(plain / "python", "-I", "-c", judge, cwd=tmp_path) == "allowed\n"
    code = "from app import app; from proxyhooks.testing import ProxyClient; print(ProxyClient(app).connect().reason)"
    assert run(plain / "python", "-c", code, cwd=tmp_path, **ENVIRON) == "unauthorized\n"
