"""No secret in what error reporters show of frames, in error texts, or in the output of a command."""

from __future__ import annotations

import http.server
import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask

import proxyhooks
from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SetupError, read_request, result_response
from proxyhooks._settings.master_settings import METRICS_BIND, read_metrics_bind
from proxyhooks._settings.secret_usage import SecretUsage, usage_of
from proxyhooks._settings.settings import SETTINGS, read_settings
from proxyhooks._settings.worker_settings import read_worker_settings
from proxyhooks.cli import centrifugo
from tests.support.asking import Ask

SECRET = "Zm9vYmFyL2Jhei9xdXV4"
PACKAGE = str(Path(proxyhooks.__file__).parent)


def frames_with_secret(frames: Iterator[FrameType]) -> list[str]:
    """The package's functions among the frames that have the secret in a variable."""
    found = []
    for frame in frames:
        if frame.f_code.co_filename.startswith(PACKAGE):
            variables = {name: repr(value) for name, value in frame.f_locals.items()}
            found += [f"{frame.f_code.co_qualname}: {name}" for name, text in variables.items() if SECRET in text]
    return found


def frames_of(error: BaseException | None) -> Iterator[FrameType]:
    """The frames of an exception and of all that it came from, shown or not."""
    while error is not None:
        yield from (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        error = error.__cause__ or error.__context__


class Observer(logging.Handler):
    """Looks at all frames whenever something is logged, and whenever an exception leaves a function of the package."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.logged: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.append(record.getMessage())
        self.found += frames_with_secret(frame for frame, _ in traceback.walk_stack(sys._getframe()))

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "exception":
            self.found += frames_with_secret(iter([frame]))
        return self.trace


@pytest.fixture
def observer(caplog: pytest.LogCaptureFixture) -> Iterator[Observer]:
    observer, logger = Observer(), logging.getLogger("proxyhooks")
    logger.addHandler(observer)
    caplog.set_level(logging.DEBUG, "proxyhooks")
    previous = sys.gettrace()
    sys.settrace(observer.trace)
    yield observer
    sys.settrace(previous)
    logger.removeHandler(observer)


def send(app: Flask, path: str = "/centrifugo/rpc", method: str = "POST", body: bytes = b"{}", **headers: str) -> int:
    sent = {"X-Proxyhooks-Secret": SECRET, **headers}
    return app.test_client().open(path, method=method, data=body, headers=sent).status_code


@pytest.mark.parametrize("accepted", [SECRET, "another"])
def test_nothing_raises_or_logs_while_a_variable_has_the_secret(
    accepted: str, tmp_path: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch, log_without_rate_limit: None
) -> None:
    path = tmp_path / "secrets"
    path.write_text(accepted)
    app = Flask("app")
    app.config.update(PROXYHOOKS_SECRETS_FILE=str(path), MAX_CONTENT_LENGTH=1000)
    ProxyHooks(app).rpc(lambda req: RPCResult())
    app.post("/own")(lambda: result_response(RPCResult(data=read_request(RPCRequest).user)))

    def broken(self: SecretUsage) -> Path:
        raise OSError(SECRET[:0] or "no disk")

    usage_of.cache_clear()
    monkeypatch.setattr(SecretUsage, "_make_directory", broken)
    expected = 200 if accepted == SECRET else 403
    assert [send(app), send(app, "/own")] == [expected, expected]
    path.write_text(f"{accepted}\nmore")  # it is read again, which is logged
    assert send(app) == expected
    path.write_text("\n")
    assert send(app) == expected
    assert send(app, method="GET") == 405
    assert send(app, body=b"x" * 2000) == 413
    assert send(app, "/centrifugo//rpc") == 404
    if accepted == SECRET:
        assert send(app, body=b"no JSON") == 400
        assert any("cannot be recorded" in line for line in observer.logged)
    assert any("read again" in line for line in observer.logged)
    assert any("stay in force" in line for line in observer.logged)
    assert any("is not the URL of a hook" in line for line in observer.logged)
    assert not observer.found


OTHERS = [setting for setting in SETTINGS[2:] if setting.source == "app.config"]
WRONG: list[dict[str, Any]] = [
    {"PROXYHOOKS_SECRETS": SECRET},
    {"PROXYHOOKS_SECRETS": [SECRET, ""]},
    {"PROXYHOOKS_SECRETS": [f"{SECRET}\n"]},
    {"PROXYHOOKS_SECRETS": {SECRET: SECRET}},
    {"PROXYHOOKS_SECRETS": [[SECRET]]},
    {"PROXYHOOKS_SECRETS_FILE": [SECRET]},
    {"PROXYHOOKS_SECRETS_FILE": SECRET},
    {"PROXYHOOKS_SECRETS_FILE": f"/{SECRET}"},
    {"PROXYHOOKS_SECRETS_FILE": f"./{SECRET}"},
    {"PROXYHOOKS_SECRETS_FILE": f"{SECRET}/{SECRET}"},
    {"PROXYHOOKS_SECRETS": [SECRET], "PROXYHOOKS_TIMEOUT": -1},
    {"PROXYHOOKS_SECRETS": [SECRET], "PROXYHOOKS_TIMEOUTS": 3},
    *({setting.key: SECRET, "PROXYHOOKS_SECRETS": [SECRET]} for setting in OTHERS),
    *({setting.key: [SECRET], "PROXYHOOKS_SECRETS": [SECRET]} for setting in OTHERS),
]


@pytest.mark.parametrize("config", WRONG, ids=lambda config: "-".join(config))
def test_no_error_about_a_setting_shows_a_secret_or_has_a_frame_with_one(config: dict[str, Any]) -> None:
    app = Flask("app")
    app.config.update(config)
    with pytest.raises(SetupError) as refused:
        ProxyHooks(app)
    assert SECRET not in str(refused.value)
    assert not frames_with_secret(frames_of(refused.value))


@pytest.mark.parametrize("value", [SECRET, f"{SECRET}-", [SECRET, 5], {SECRET: SECRET}, [f"{SECRET}\n"]])
@pytest.mark.parametrize("argument", ["name", "url_prefix", "meta_schema", "http_headers", "emulated_headers"])
def test_no_error_about_an_argument_shows_a_secret_or_has_a_frame_with_one(argument: str, value: object) -> None:
    arguments: dict[str, Any] = {argument: value}
    if argument == "name" and value == SECRET:  # a name
        arguments = {"name": f"{SECRET}."}
    with pytest.raises(SetupError) as refused:
        ProxyHooks(Flask("app"), secrets=[SECRET], **arguments)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("arguments", [{"name": "-"}, {"url_prefix": "x"}, {"meta_schema": 1}, {"http_headers": "x"}])
def test_no_error_about_an_argument_has_a_frame_with_a_secret(arguments: dict[str, Any]) -> None:
    with pytest.raises(SetupError) as refused:
        ProxyHooks(Flask("app"), secrets=[SECRET], **arguments)
    assert not frames_with_secret(frames_of(refused.value))


@pytest.mark.parametrize("key", [setting.key for setting in SETTINGS if setting.source == "environment"])
def test_no_error_about_the_environment_of_gunicorn_shows_a_secret(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(key, SECRET)
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", SECRET)
    read = (lambda: read_metrics_bind({key: SECRET})) if key == METRICS_BIND.key else read_worker_settings
    with pytest.raises(SetupError, match="not a text of length 20") as refused:
        read()
    assert not frames_with_secret(frames_of(refused.value))


def test_a_path_is_shown_where_it_can_be_one(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        read_settings({"PROXYHOOKS_SECRETS_FILE": str(tmp_path / "missing")}, "app")
    assert f"{tmp_path}/missing cannot be read: No such file or directory" in str(refused.value)


@pytest.fixture
def echo() -> Iterator[str]:
    """The URL of a server that sends back the headers of every request."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps(dict(self.headers)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["call", "rpc", "--url", "URL", "--secret", SECRET], "X-Proxyhooks-Secret"),
        (["call", "rpc", "--url", "URL", "--secret", SECRET, "--format", "json"], "X-Proxyhooks-Secret"),
        (["call", "rpc", "--url", "URL", "--secret", f"{SECRET}\n"], "the header X-Proxyhooks-Secret has characters"),
        (["call", "rpc", "--url", "URL", "--secret", f"{SECRET}\u20ac"], "the header X-Proxyhooks-Secret has char"),
        (
            ["call", "rpc", "--url", "URL", "--secret", "x", "--header", f"A: {SECRET}\n{SECRET}"],
            "header A has characters",
        ),
        (["call", "rpc", "--header", f"X-Proxyhooks-Secret {SECRET}"], "--header takes a name and a value"),
        (["call", "rpc", "--url", "URL", "--secret", f'"{SECRET[:9]}\\{SECRET[9:]}'], "X-Proxyhooks-Secret"),
        (
            ["call", "rpc", "--url", "URL", "--secret", f'"{SECRET[:9]}\\{SECRET[9:]}', "--format", "json"],
            "X-Proxyhooks-Secret",
        ),
        (
            ["call", "rpc", "--url", f"http://user:{SECRET}@127.0.0.1:1", "--secret", "x"],
            "not 'http://...@127.0.0.1:1'",
        ),
        (["call", "rpc", "--url", f"http://us:er@{SECRET}@127.0.0.1", "--secret", "x"], "not 'http://...@127.0.0.1'"),
        (["call", "rpc", "--url", f"http://u:{SECRET[:9]}/{SECRET[9:]}@h", "--secret", "x"], "not 'http://...@h'"),
        (
            ["call", "rpc", "--url", f"http://127.0.0.1:1?key={SECRET}", "--secret", "x"],
            "'http://127.0.0.1:1' does not",
        ),
        (["call", "rpc", "--url", f"http://127.0.0.1:{SECRET}", "--secret", "x"], "a text of "),
        (["call", "rpc", "--url", SECRET, "--secret", "x"], "not a text of length 20"),
        (["call", "rpc", "--url", "URL", "--secret", "x", "--header", f"X-Token: {SECRET}"], "X-Token"),
        (["call", "rpc", "--url", "URL", "--secret", "x", "--header", f"Authorization: Bearer {SECRET}"], "Authorizat"),
        (
            ["call", "rpc", "--url", "URL", "--secret", "x", "--header", f"X-Proxyhooks-Secret: {SECRET}"],
            "X-Proxyhooks",
        ),
        (
            ["call", "rpc", "--url", "URL", "--secret", "x", "--header", f"X-Token {SECRET}: a"],
            "the name of a --header",
        ),
        (["call", "rpc", "--data", SECRET], "the value is not JSON"),
        (["call", "rpc", "--field", f"{SECRET}=1"], "no field of that name"),
        (["call", "rpc", "--field", SECRET], "this one has no ="),
        (["call", SECRET], "there is no such event"),
        (["doctor", "--url", f"http://user:{SECRET}@127.0.0.1", "--secret", "x"], "not 'http://...@127.0.0.1'"),
        (["doctor", "--url", f"http://u:{SECRET[:9]}/{SECRET[9:]}@h", "--secret", "x"], "in 'http://...@h'"),
        (["doctor", "--url", f"http://127.0.0.1:{SECRET}", "--secret", "x"], "a text of "),
        (["doctor", "--url", SECRET, "--secret", "x"], "not a text of length 20"),
        (["doctor", "--url", "URL", "--idle", SECRET], "a text of length 20 is not a duration"),
        (["check", __file__, "--base-url", f"http://user:{SECRET}@127.0.0.1"], "not 'http://...@127.0.0.1'"),
        (["config", "--base-url", "http://h", "--allowed-origin", f"https://u:{SECRET}@a.b"], "not 'https://...@a.b'"),
        (["config", "--base-url", "http://h", "--allowed-origin", "*", "--timeout", SECRET], "not a text of length 20"),
        (["doctor", "--url", "URL", "--secret", SECRET, "--idle", "0s"], "is answered with 200"),
        (["doctor", "--url", "URL", "--secret", f"{SECRET}\n"], "characters that a header cannot carry"),
    ],
)
def test_no_output_of_a_command_shows_a_secret(arguments: list[str], shown: str, app: Flask, echo: str) -> None:
    ProxyHooks(app).rpc(lambda req: RPCResult())
    result = app.test_cli_runner().invoke(
        centrifugo, [echo if argument == "URL" else argument for argument in arguments]
    )
    assert shown in result.output
    assert SECRET[9:] not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_an_application_with_a_wrong_setting_shows_no_secret_in_a_command(ask: Ask, app: Flask) -> None:
    ProxyHooks(app)
    app.config["PROXYHOOKS_TIMEOUT"] = SECRET
    for command in ["secret uses", "hooks", "call rpc", "config --base-url http://x --allowed-origin http://y"]:
        result = app.test_cli_runner().invoke(centrifugo, command.split())
        assert SECRET not in result.output + repr(result.exception), command
