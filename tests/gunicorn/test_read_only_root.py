"""A server in what a hardened container has: a read-only root, a user id without a name, no home."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import http_client
from tests.support.paths import ROOT, SECRET
from tests.support.servers import answers, free_port, running_server

pytestmark = pytest.mark.server

APP = """
import os
import pwd

from flask import Flask

from proxyhooks import ProxyHooks, RPCRequest, RPCResult

app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
app.config["PROXYHOOKS_TIMEOUT"] = 600


def why_not_writable(folder: str) -> str:
    try:
        open(f"{folder}/proxyhooks-test", "w")
    except OSError as error:
        return type(error).__name__ + " " + error.strerror
    os.unlink(f"{folder}/proxyhooks-test")
    return "writable"


def name_of_user() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None


@hooks.rpc("where")
def where(req: RPCRequest) -> RPCResult:
    folders = ["/", "/tmp", os.getcwd(), "/dev/shm"]
    writable = [folder for folder in folders if why_not_writable(folder) == "writable"]
    return RPCResult(data={"writable": writable, "user": name_of_user(), "home": os.environ.get("HOME")})
"""
READ_ONLY = """
set -e
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
awk '{ print $5 }' /proc/self/mountinfo | sort -u | while read -r mount; do
    case $mount in
    /dev/shm | /proc | /proc/*) ;;
    *) mount -o remount,bind,ro "$mount" ;;
    esac
done
exec unshare --user --map-user=12345 --map-group=12345 env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" "$@"
"""
"""Runs a command with memory in /dev/shm as the only place that is writable. The user id has no name."""
NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture
def read_only() -> list[str]:
    """The beginning of a command that runs as in a hardened container."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no program unshare")
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, timeout=300)
    if tried.returncode:
        pytest.skip(f"the kernel forbids it: {tried.stderr.strip()}")
    return [*NAMESPACES, "sh", "-c", READ_ONLY, "sh"]


def test_a_server_on_a_read_only_root_as_any_user_without_a_home_starts_answers_and_stops(
    read_only: list[str], tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    log, port = tmp_path / "log", free_port()
    command = [*read_only, sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn"]
    command += ["-w", "1", "-b", f"127.0.0.1:{port}", "app:app"]

    def where() -> dict[str, object]:
        headers, body = {"X-Proxyhooks-Secret": SECRET}, json.dumps({"client": "c", "method": "where"})
        response = http_client.request(port, "POST", "/centrifugo/rpc", body, headers)
        data: dict[str, object] = json.loads(response.body)["result"]["data"]
        return data

    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    with running_server(command, log, is_ready=lambda: answers(port, "/livez"), cwd=tmp_path, env=env) as process:
        assert where() == {"writable": ["/dev/shm"], "user": None, "home": None}
        assert http_client.request(port, "GET", "/readyz").status == 200
    assert process.returncode == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert "[ERROR]" not in text
    assert "[WARNING]" not in text
