"""The wheel: built, installed into an empty virtual environment, and good for the minimal example."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environ or None, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy, so that nothing that lies about in the checkout gets in or is left behind.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "proxyhooks", source / "proxyhooks", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", source / "dist", ".", cwd=source)
    (built,) = (source / "dist").glob("proxyhooks-*.whl")
    return built


def test_the_wheel_has_the_package_and_its_marker_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert "proxyhooks/py.typed" in names
    sources = (path for path in (ROOT / "proxyhooks").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(ROOT).as_posix() for path in sources}


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
    """The programs of a virtual environment with the package, what it depends on, and nothing else."""
    home = tmp_path_factory.mktemp("plain")
    venv.create(home, with_pip=True)
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=home)
    return home / "bin"


def test_the_minimal_example_runs_from_the_wheel(plain: Path, tmp_path: Path) -> None:
    printed = run(plain / "python", "-I", "-c", EVENTS, ROOT / "examples" / "minimal.py", cwd=tmp_path, **ENVIRON)
    assert printed.splitlines() == ["{'disconnect': {'code': 4501, 'reason': 'unauthorized'}}", "403"]
    loaded = run(
        plain / "python", "-I", "-c", "import sys, proxyhooks.gunicorn; print('flask' in sys.modules)", cwd=tmp_path
    )
    assert loaded == "False\n"


def test_judge_client_and_commands_work_in_the_plain_install(plain: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "minimal.py", tmp_path / "app.py")
    flask = str(plain / "flask"), "--app", "app", "centrifugo"
    made = run(
        *flask,
        "config",
        "--base-url",
        "http://127.0.0.1:8070",
        "--allowed-origin",
        "http://a.example",
        cwd=tmp_path,
        **ENVIRON,
    )
    (tmp_path / "config.json").write_text(made)
    run(*flask, "check", "config.json", cwd=tmp_path, **ENVIRON)
    assert "inbox:<user>" in run(*flask, "hooks", cwd=tmp_path, **ENVIRON)
    assert "permission denied" in run(*flask, "codes", cwd=tmp_path, **ENVIRON)
    assert "inbox" in run(*flask, "export", "typescript", cwd=tmp_path, **ENVIRON)
    call = run(*flask, "call", "subscribe", "--user", "ada", "--channel", "inbox:ada", cwd=tmp_path, **ENVIRON)
    assert "allowed" in call
    doctor = [*flask, "doctor", "--url", "http://127.0.0.1:1", "--secret", "x"]
    asked_for_help = subprocess.run(doctor, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "nobody answers on port 1" in asked_for_help.stdout
    judged = "from proxyhooks.centrifugo.judge import judge; print(judge('rpc', 200, b'{}').outcome)"
    assert run(plain / "python", "-I", "-c", judged, cwd=tmp_path) == "allowed\n"
    asked = "from app import app; from proxyhooks.testing import ProxyClient; print(ProxyClient(app).connect().reason)"
    assert run(plain / "python", "-c", asked, cwd=tmp_path, **ENVIRON) == "unauthorized\n"
