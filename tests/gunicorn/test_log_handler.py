"""Lines of loggers without a handler have time and level in gunicorn's log."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxyhooks.gunicorn.log_handler import GunicornHandler, log_to_gunicorn
from tests.support import http_client
from tests.support.paths import SECRET
from tests.support.servers import answers, free_port, running_server, server_environment

APP = """
import logging

from flask import Flask
from proxyhooks import ProxyHooks, RPCResult

logging.getLogger("of.a.module").warning("on import")
app = Flask("app")
app.config["PROXYHOOKS_EVENT_LOG"] = "json"
hooks = ProxyHooks(app, secrets=["s3cret"])


@hooks.rpc("known")
def known(req):
    logging.getLogger("of.a.module").warning("in a hook")
    app.logger.warning("of the application")
    return RPCResult()
"""
LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[WARNING\] "
OF_FLASK = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] WARNING in app: "


@pytest.fixture
def gunicorn_handler() -> Iterator[logging.StreamHandler[io.StringIO]]:
    """The only handler of gunicorn's error log."""
    logger = logging.getLogger("gunicorn.error")
    handlers, handler = list(logger.handlers), logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("gunicorn: %(levelname)s %(message)s"))
    logger.handlers[:] = [handler]
    yield handler
    logger.handlers[:] = handlers


def test_gunicorns_handlers_write_the_line(gunicorn_handler: logging.StreamHandler[io.StringIO]) -> None:
    handler = GunicornHandler(logging.StreamHandler(io.StringIO()))
    handler.handle(logging.makeLogRecord({"msg": "%s", "args": ("here",), "levelname": "WARNING", "levelno": 30}))
    gunicorn_handler.setLevel(logging.ERROR)
    handler.handle(logging.makeLogRecord({"msg": "left out", "levelname": "WARNING", "levelno": 30}))
    assert gunicorn_handler.stream.getvalue() == "gunicorn: WARNING here\n"


def test_without_a_handler_of_gunicorn_python_writes_the_line(
    gunicorn_handler: logging.StreamHandler[io.StringIO],
) -> None:
    logging.getLogger("gunicorn.error").handlers.clear()
    fallback = logging.StreamHandler(io.StringIO())
    GunicornHandler(fallback).handle(logging.makeLogRecord({"msg": "here", "levelno": 30}))
    assert fallback.stream.getvalue() == "here\n"


def test_a_line_of_a_logger_with_a_handler_is_left_to_that_handler(
    gunicorn_handler: logging.StreamHandler[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "lastResort", GunicornHandler(logging.StreamHandler(io.StringIO())))
    logger, own = logging.getLogger("with a handler"), logging.StreamHandler(io.StringIO())
    logger.propagate = False
    logger.warning("before")
    logger.addHandler(own)
    logger.warning("after")
    logger.removeHandler(own)
    assert (own.stream.getvalue(), gunicorn_handler.stream.getvalue()) == ("after\n", "gunicorn: WARNING before\n")


@pytest.mark.parametrize("present", [None, logging.NullHandler(logging.ERROR)])
def test_the_last_resort_is_replaced_once_and_keeps_its_level(
    present: logging.Handler | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "lastResort", present)
    log_to_gunicorn()
    first = logging.lastResort
    log_to_gunicorn()
    assert logging.lastResort is first
    assert first is None if present is None else first is not None and first.level == logging.ERROR


@dataclass(frozen=True)
class SetUp:
    """Flags of gunicorn, how lines begin, and the file that has them."""

    flags: str = ""
    of_application: str = OF_FLASK
    file: str = "output"


SET_UPS = {
    "nothing": SetUp(),
    "the application preloaded, and a log file": SetUp("--preload --log-file log", file="log"),
    "a log file with all output, and errors only": SetUp(
        "--log-file log --capture-output --log-level error", file="log"
    ),
    "gunicorn's configuration of logging": SetUp("--log-config-json log.json", of_application=LINE),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each set-up the folder in which gunicorn has served two calls."""
    folders = {name: tmp_path_factory.mktemp("served") for name in SET_UPS}
    with ThreadPoolExecutor(len(SET_UPS)) as executor:
        list(executor.map(lambda name: serve_two_calls(SET_UPS[name], folders[name]), SET_UPS))
    return folders


def serve_two_calls(set_up: SetUp, folder: Path) -> None:
    (folder / "app.py").write_text(APP)
    (folder / "log.json").write_text("{}")
    port = free_port()
    command = ["gunicorn", "-c", "python:proxyhooks.gunicorn", "-w", "1", "--threads", "1"]
    with running_server(
        [*command, "-b", f"127.0.0.1:{port}", *set_up.flags.split(), "app:app"],
        folder / "output",
        is_ready=lambda: answers(port, "/readyz"),
        cwd=folder,
        env=server_environment(),
    ):
        for method in ("known", "unknown"):
            headers = {"X-Proxyhooks-Secret": SECRET}
            reply = http_client.request(port, "POST", "/centrifugo/rpc", f'{{"method": "{method}"}}', headers)
            assert reply.status == 200


@pytest.mark.server
@pytest.mark.parametrize("name", SET_UPS)
def test_under_gunicorn_a_line_has_time_and_level_and_comes_once(name: str, folders: dict[str, Path]) -> None:
    set_up, folder = SET_UPS[name], folders[name]
    texts = {file.name: file.read_text() for file in (folder / "output", folder / "log") if file.exists()}
    lines = "".join(texts.values()).splitlines()
    for message in ("on import", "in a hook", "no hook for rpc of 'unknown'", "of the application"):
        (line,) = [line for line in lines if message in line]
        assert re.match(set_up.of_application if message == "of the application" else LINE, line)
        assert line in texts[set_up.file]


@pytest.mark.server
@pytest.mark.parametrize("name", SET_UPS)
def test_under_gunicorn_the_event_log_is_in_gunicorns_log_as_it_is(name: str, folders: dict[str, Path]) -> None:
    set_up, folder = SET_UPS[name], folders[name]
    lines = [line for line in (folder / set_up.file).read_text().splitlines() if line.startswith('{"time"')]
    events = [json.loads(line) for line in lines]
    assert [(event["event"], event["outcome"], event["code"]) for event in events] == [
        ("rpc", "result", None),
        ("rpc", "error", 104),
    ]
    assert '"event":' not in "".join(path.read_text() for path in folder.iterdir() if path.name != set_up.file)
