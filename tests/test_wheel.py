"""The wheel: built, installed into an empty virtual environment, and good for the minimal example."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
    assert names == {f"proxyhooks/{path.name}" for path in (ROOT / "proxyhooks").iterdir() if path.is_file()}


EVENTS = """
import runpy, sys
app = runpy.run_path(sys.argv[1])["app"]
post = app.test_client().post
print(post("/centrifugo/connect", json={}, headers={"X-Proxyhooks-Secret": "s3cret"}).json)
print(post("/centrifugo/connect", json={}).status_code)
"""


def test_the_minimal_example_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    environ = {"FLASK_PROXYHOOKS_SECRETS": '["s3cret"]', "FLASK_SECRET_KEY": "for signing tokens"}
    printed = run(python, "-I", "-c", EVENTS, ROOT / "examples" / "minimal.py", cwd=tmp_path, **environ)
    assert printed.splitlines() == ["{'disconnect': {'code': 4501, 'reason': 'unauthorized'}}", "403"]
    assert (
        run(python, "-I", "-c", "import sys, proxyhooks.gunicorn; print('flask' in sys.modules)", cwd=tmp_path)
        == "False\n"
    )
