"""``flask centrifugo doctor``."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo

from proxyhooks import ProxyHooks, RPCRequest, RPCResult
from proxyhooks.cli.doctor import command
from tests.support.servers import serving_in_thread

SECRET = "s3cret"


@pytest.fixture
def app() -> Flask:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=[SECRET], url_prefix="/here")

    @hooks.rpc
    def rpc(req: RPCRequest) -> RPCResult:
        raise AssertionError("the doctor must run no hook")

    @app.before_request
    def before() -> None:
        raise AssertionError("the doctor must run no before_request function")

    return app


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving_in_thread(app) as port:
        yield f"http://127.0.0.1:{port}"


def doctor(app: Flask | None, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    def load() -> Flask:
        assert app is not None, "the application is not needed"
        return app

    runner = CliRunner()
    result = runner.invoke(command, arguments, env=env or {}, obj=ScriptInfo(create_app=load))
    return result.exit_code, result.output


def test_secret_and_prefix_come_from_the_application(app: Flask, url: str) -> None:
    code, output = doctor(app, "--url", url, "--idle", "0s")
    assert code == 0
    assert "ok       /here/connect is answered by hooks" in output
    assert "ok       the secret is accepted" in output
    assert "warning  the server closes the connection" in output
    assert SECRET not in output


def test_no_application_is_needed_where_url_and_secret_are_given(url: str) -> None:
    code, output = doctor(None, "--url", f"{url}/here/rpc", "--secret", SECRET, "--idle", "0s")
    assert (code, "the secret is accepted" in output) == (0, True)
    env = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "another"}
    code, output = doctor(None, "--url", f"{url}/here/rpc", "--idle", "0s", env=env)
    assert (code, "error    the secret is refused" in output) == (1, True)
    assert "another" not in output


def test_an_error_ends_with_status_1_and_results_can_be_json(app: Flask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code, output = doctor(app, "--url", f"http://127.0.0.1:{port}", "--format", "json")
    assert code == 1
    assert [(result["id"], result["level"]) for result in json.loads(output)] == [("dns", "ok"), ("tcp", "error")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "ftp://x"], "must begin with http"),
        (["--url", "http://x", "--timeout", "3"], "'3s'"),
        (["--url", "http://x", "--timeout", "0s"], "more than 0"),
        (["--url", "http://x", "--secret", "a\nb"], "a header cannot carry"),
    ],
)
def test_invalid_options_are_refused(app: Flask, arguments: list[str], sentence: str) -> None:
    code, output = doctor(app, *arguments)
    assert code == 2
    assert sentence in output
