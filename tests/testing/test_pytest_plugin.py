"""The pytest plugin, in a separate pytest process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

APP = """
import pytest
from flask import Flask
from proxyhooks import ConnectResult, ProxyHooks, RPCResult, errors

@pytest.fixture
def app():
    app = Flask("app")
    app.config["PROXYHOOKS_SECRETS"] = ["s"]
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    @hooks.rpc
    def rpc(req):
        raise errors.PermissionDenied("only owners")
    @hooks.rpc("wrong")
    def wrong(req):
        return {"data": 1}
    return app
"""


def run(home: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (home / "conftest.py").write_text(APP)
    (home / "test_it.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(home)]
    return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)


def test_the_fixture_uses_the_fixture_app(tmp_path: Path) -> None:
    said = run(tmp_path, "def test(proxy_client):\n    assert proxy_client(name='x').connect().allowed\n")
    assert "1 passed" in said.stdout


def test_a_failing_assert_shows_request_reply_and_reason(tmp_path: Path) -> None:
    tests = (
        "def test_before(proxy_client):\n    proxy_client().connect({'before': 1})\n"
        "def test(proxy_client):\n    client = proxy_client()\n    client.connect()\n"
        "    assert client.rpc('m', {'x': 1}).allowed\n"
    )
    said = run(tmp_path, tests).stdout
    assert "1 failed, 1 passed" in said
    assert "Exchanges with the application" in said
    assert '"user":"42","method":"m","data":{"x":1}}' in said
    assert 'reply:   200 {"error":{"code":103,"message":"only owners"}}' in said
    assert "why:     the reply is an error, 103 'only owners'" in said
    assert "before" not in said.partition("Exchanges with the application")[2]


def test_tracebacks_end_at_the_line_of_the_test(tmp_path: Path) -> None:
    endings = {
        "client.rpc('wrong')": 'File "conftest.py", line 17, in wrong\nE return {"data": 1}',
        "client.rpc('m').refused_with('103')": "TypeError: refused_with takes a code, ",
        "client.rpc('m').disconnected_with(403.0)": "TypeError: disconnected_with takes a code, ",
        "client.advance(5)": "TypeError: advance takes either a timedelta or units",
    }
    lines = [
        f"def test_{number}(proxy_client):\n    client = proxy_client()\n    client.connect()\n    {failing}\n"
        for number, failing in enumerate(endings)
    ]
    said = re.sub(" +", " ", run(tmp_path, "".join(lines)).stdout.replace(f"{tmp_path}/", ""))
    for failing, ending in endings.items():
        assert f"> {failing}\n" in said
        assert f"E {ending}" in said
    last_entries = [line for line in said.splitlines() if re.match(r"\S+\.py:\d+: ", line)]
    assert last_entries == ["test_it.py:4: HookResultError", *(f"test_it.py:{n}: TypeError" for n in (8, 12, 16))]


def test_the_plugin_imports_no_flask_if_it_is_not_used() -> None:
    code = (
        "import proxyhooks.pytest_plugin, sys; print({'flask', 'marshmallow', 'proxyhooks.testing'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_a_missing_fixture_named_app_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test(proxy_client):\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "fixture 'app' not found" in said
