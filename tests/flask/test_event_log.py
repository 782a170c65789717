"""The event log: one line for each request to a hook's URL, as text or as JSON."""

from __future__ import annotations

import gc
import io
import json
import logging
import logging.config
import logging.handlers
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from proxyhooks import Disconnect, ProxyHooks, RPCRequest, RPCResult, errors
from proxyhooks._flask.event_log import EventLog
from proxyhooks.signals import FinishedCall, hook_finished
from tests.support.asking import Ask

EVENTS = "proxyhooks.events"
HOOK = f"{__name__}.serve.<locals>.order"
FIELDS = ["time", "event", "hook", "outcome", "code", "duration", "client", "user"]


def serve(app: Flask, form: str) -> None:
    app.config["PROXYHOOKS_EVENT_LOG"] = form
    hooks = ProxyHooks(app)

    @hooks.rpc("order")
    def order(req: RPCRequest) -> RPCResult:
        if req.data == "refuse":
            raise errors.PermissionDenied
        if req.data == "ban":
            raise Disconnect(4501, "banned")
        return RPCResult(data={"t0p": 1 / (req.data != "fail")})


def ask_for_each_outcome(ask: Ask) -> None:
    for data in ("t0p", "refuse", "ban", "fail"):
        ask("rpc", method="order", data=data, client="c1", user="42")
    ask("rpc", method="other", client="c1", user="42")
    ask("rpc", headers={"X-Proxyhooks-Secret": "t0p"})


@dataclass
class StandardError:
    capsys: pytest.CaptureFixture[str]
    text: str = ""

    def getvalue(self) -> str:
        self.text += self.capsys.readouterr().err
        return self.text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> StandardError:
    """Standard error, in a process that is none of gunicorn's."""
    logger = logging.getLogger("gunicorn.error")
    monkeypatch.setattr(logger, "handlers", [])
    # pytest gives loggers that do not propagate, such as gunicorn's, a handler.
    monkeypatch.setattr(logger, "propagate", True)
    return StandardError(capsys)


def without_changing(line: str) -> str:
    return re.sub(r"(?<=duration=)\d+\.\d{6}", "N", line.partition(" ")[2])


def test_as_text_a_line_has_event_hook_outcome_code_duration_client_and_user(
    app: Flask, ask: Ask, stderr: StandardError
) -> None:
    serve(app, "text")
    ask_for_each_outcome(ask)
    lines = [line for line in stderr.getvalue().splitlines() if "outcome=" in line]
    assert [without_changing(line) for line in lines] == [
        f"event=rpc hook={HOOK} outcome=result duration=N client=c1 user=42",
        f"event=rpc hook={HOOK} outcome=error code=103 duration=N client=c1 user=42",
        f"event=rpc hook={HOOK} outcome=disconnect code=4501 duration=N client=c1 user=42",
        f"event=rpc hook={HOOK} outcome=failed code=500 duration=N client=c1 user=42",
        "event=rpc outcome=error code=104 duration=N client=c1 user=42",
        "event=rpc outcome=failed code=403 duration=N",
    ]
    assert "t0p" not in stderr.getvalue()


def test_as_json_a_line_has_the_same_fields_and_null_for_what_a_call_does_not_have(
    app: Flask, ask: Ask, stderr: StandardError
) -> None:
    serve(app, "json")
    ask_for_each_outcome(ask)
    events = [json.loads(line) for line in stderr.getvalue().splitlines() if line.startswith("{")]
    assert [list(event) for event in events] == [FIELDS] * 6
    assert [[event[name] for name in ("event", "hook", "outcome", "code", "client", "user")] for event in events] == [
        ["rpc", HOOK, "result", None, "c1", "42"],
        ["rpc", HOOK, "error", 103, "c1", "42"],
        ["rpc", HOOK, "disconnect", 4501, "c1", "42"],
        ["rpc", HOOK, "failed", 500, "c1", "42"],
        ["rpc", None, "error", 104, "c1", "42"],
        ["rpc", None, "failed", 403, None, None],
    ]
    assert all(0 < event["duration"] < 60 for event in events)
    assert "t0p" not in stderr.getvalue()


@pytest.fixture
def japan() -> Iterator[None]:
    """A local time that is not UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        assert time.timezone != 0
        yield
    time.tzset()


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_time_is_that_of_the_end_in_utc_with_milliseconds(
    form: str, app: Flask, ask: Ask, stderr: StandardError, japan: None
) -> None:
    serve(app, form)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    ask("rpc", method="order")
    (line,) = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stderr.getvalue())
    assert before <= datetime.fromisoformat(line) <= datetime.now(UTC)


TEXTS = st.text(st.characters(), max_size=400) | st.sampled_from(
    ["\ud800", "a\nb", "a\r\n", "\x1b[31m", '"\\', "\u2028"]
)


@example(client="c" * 400, user="u" * 400, encoding="ascii")
@given(client=TEXTS, user=TEXTS, encoding=st.sampled_from(["ascii", "utf-8", "latin-1"]))
def test_one_call_is_one_line_whatever_client_and_user_are(client: str, user: str, encoding: str) -> None:
    request = RPCRequest(client=client, user=user)
    call = FinishedCall("rpc", "app.hook", None, "result", None, 200, 0.000012, None, request, None)
    for form in ("text", "json"):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding=encoding, newline="")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logging.getLogger("gunicorn.error"), "handlers", [])
            patch.setattr(sys, "stderr", stream)
            EventLog(form)(Flask("app"), call)
        (line,) = written.getvalue().decode(encoding).splitlines()
        assert len(line) < 6000
        if form == "json":
            event = json.loads(line)
            assert len(event["client"]) <= 203
            assert event["user"] == user or "\\" in event["user"] or event["user"].endswith("...")


def test_a_user_cannot_add_a_field_to_a_line_of_text(app: Flask, ask: Ask, stderr: StandardError) -> None:
    serve(app, "text")
    ask("rpc", method="order", data="refuse", client="c1", user="42 outcome=result")
    assert stderr.getvalue().endswith(" client=c1 user='42 outcome=result'\n")


def test_lines_are_not_limited_in_number(app: Flask, ask: Ask, stderr: StandardError) -> None:
    serve(app, "json")
    for _ in range(50):
        ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"})
    assert stderr.getvalue().count('{"time":') == 50


def test_without_the_setting_there_are_no_lines_and_no_receiver(
    app: Flask, hooks: ProxyHooks, ask: Ask, stderr: StandardError
) -> None:
    assert not list(hook_finished.receivers_for(app))
    ask("rpc", method="order")
    assert "outcome" not in stderr.getvalue()


def test_several_proxy_hooks_of_an_application_write_one_line(app: Flask, ask: Ask, stderr: StandardError) -> None:
    serve(app, "json")
    ProxyHooks(app, name="more", url_prefix="/more")
    ask("rpc", method="order")
    assert stderr.getvalue().count('{"time":') == 1


def test_an_application_that_is_gone_leaves_no_receiver() -> None:
    gc.collect()  # applications of other tests, which could go in between
    before = len(hook_finished.receivers)
    app = Flask("other")
    app.config.update(PROXYHOOKS_INSECURE=True, PROXYHOOKS_EVENT_LOG="json")
    ProxyHooks(app)
    assert len(hook_finished.receivers) == before + 1
    del app
    gc.collect()
    assert len(hook_finished.receivers) <= before


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize(("data", "outcome", "code"), [("refuse", "error", 103), ("fail", "failed", 500)])
def test_a_handler_of_the_logger_gets_a_record_with_the_fields(
    data: str, outcome: str, code: int, app: Flask, ask: Ask, stderr: StandardError, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, logger = Kept(), logging.getLogger(EVENTS)
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    serve(app, "json")
    ask("rpc", method="order", data=data, client="c1", user="100%s")
    (record,) = handler.records
    fields: dict[str, Any] = vars(record)
    names = ("name", "levelname", "proxy_event", "hook", "outcome", "code", "client", "user")
    assert [fields[name] for name in names] == [EVENTS, "INFO", "rpc", HOOK, outcome, code, "c1", "100%s"]
    assert fields["duration"] > 0
    assert json.loads(record.getMessage())["user"] == "100%s"
    assert "{" not in stderr.getvalue()


CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "formatters": {"bare": {"format": "%(message)s"}, "long": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "long"}},
    "root": {"handlers": ["console"], "level": "ERROR"},
}


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo ``dictConfig``."""
    names = [name for name in logging.root.manager.loggerDict if isinstance(logging.getLogger(name), logging.Logger)]
    state = {
        name: (vars(logging.getLogger(name)).copy(), list(logging.getLogger(name).handlers)) for name in ["", *names]
    }
    yield
    for name, (attributes, handlers) in state.items():
        logger = logging.getLogger(name)
        vars(logger).update(attributes)
        logger.handlers = handlers
        logger._cache.clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("configure_first", [True, False])
@pytest.mark.parametrize("disable", [True, False])
def test_lines_come_as_they_are_whatever_logging_the_application_configures(
    configure_first: bool, disable: bool, app: Flask, ask: Ask, stderr: StandardError
) -> None:
    configuration = CONFIGURATION | {"disable_existing_loggers": disable}
    if configure_first:
        logging.config.dictConfig(configuration)
    serve(app, "json")
    if not configure_first:
        logging.config.dictConfig(configuration)
    ask("rpc", method="order", user="42")
    (line,) = stderr.getvalue().splitlines()
    assert json.loads(line)["user"] == "42"


@pytest.mark.usefixtures("logging_restored")
def test_a_configuration_of_the_logger_sends_the_lines_elsewhere(
    app: Flask, ask: Ask, stderr: StandardError, tmp_path: Any
) -> None:
    serve(app, "json")
    to_file = {"class": "logging.FileHandler", "filename": str(tmp_path / "events.jsonl"), "formatter": "bare"}
    logger = {"handlers": ["events"], "propagate": False}
    handlers = CONFIGURATION["handlers"] | {"events": to_file}
    logging.config.dictConfig(CONFIGURATION | {"handlers": handlers, "loggers": {EVENTS: logger}})
    ask("rpc", method="order", user="42")
    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(line)["user"] == "42"
    assert stderr.getvalue() == ""
    for handler in logging.getLogger(EVENTS).handlers:
        handler.close()


def test_gunicorns_log_gets_the_lines_as_they_are(app: Flask, ask: Ask, stderr: StandardError) -> None:
    serve(app, "json")
    to_stream, others = logging.StreamHandler(io.StringIO()), Kept()
    to_stream.setFormatter(logging.Formatter("gunicorn %(message)s"))
    logging.getLogger("gunicorn.error").handlers[:] = [to_stream, others]
    ask("rpc", method="order", user="100%")
    (line,) = to_stream.stream.getvalue().splitlines()
    assert json.loads(line)["user"] == "100%"
    assert [record.getMessage() for record in others.records] == [line]
    assert stderr.getvalue() == ""


def test_a_file_of_gunicorns_log_is_opened_with_the_first_line(
    app: Flask, ask: Ask, stderr: StandardError, tmp_path: Path
) -> None:
    serve(app, "json")
    with closing(logging.FileHandler(tmp_path / "log", delay=True)) as handler:
        handler.setFormatter(logging.Formatter("gunicorn %(message)s"))
        logging.getLogger("gunicorn.error").handlers[:] = [handler]
        for user in ("1", "2"):
            ask("rpc", method="order", user=user)
        handler.handle(logging.makeLogRecord({"msg": "a line of gunicorn"}))
    *events, last = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(event)["user"] for event in events] == ["1", "2"]
    assert last == "gunicorn a line of gunicorn"


def test_a_file_of_gunicorns_log_is_rotated(app: Flask, ask: Ask, stderr: StandardError, tmp_path: Path) -> None:
    serve(app, "json")
    path = tmp_path / "log"
    with closing(logging.handlers.RotatingFileHandler(path, maxBytes=1, backupCount=1)) as rotating:
        logging.getLogger("gunicorn.error").handlers[:] = [rotating]
        for user in ("1", "2"):
            ask("rpc", method="order", user=user)
    assert [json.loads(file.read_text())["user"] for file in (path, tmp_path / "log.1")] == ["2", "1"]


def test_a_file_of_gunicorns_log_that_was_moved_is_opened_anew(
    app: Flask, ask: Ask, stderr: StandardError, tmp_path: Path
) -> None:
    serve(app, "json")
    path = tmp_path / "log"
    with closing(logging.handlers.WatchedFileHandler(path)) as watched:
        logging.getLogger("gunicorn.error").handlers[:] = [watched]
        ask("rpc", method="order", user="1")
        path.rename(tmp_path / "log.1")
        ask("rpc", method="order", user="2")
    assert [json.loads(file.read_text())["user"] for file in (path, tmp_path / "log.1")] == ["2", "1"]
