"""structlog in hooks: what is bound in one call is gone in the next, and records of the package are structured too."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from flask import Flask
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, UserRequest, after_reply
from proxyhooks._wire.log import rate_limited
from tests.support.asking import Ask


class Log:
    """What structlog and the standard library write, as JSON."""

    def __init__(self) -> None:
        self.stream = StringIO()

    def take(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        self.stream.truncate(0)
        self.stream.seek(0)
        return lines


@pytest.fixture
def log() -> Iterator[Log]:
    """A log as structlog's documentation sets it up for both kinds of loggers."""
    log = Log()
    shared: list[Any] = [merge_contextvars, structlog.stdlib.add_log_level, ExtraAdder()]
    structlog.configure(
        processors=[merge_contextvars, structlog.stdlib.add_log_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(log.stream)
    renderers: list[Any] = [ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()]
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=shared, processors=renderers))
    logger = logging.getLogger()
    logger.addHandler(handler)
    yield log
    logger.removeHandler(handler)
    structlog.reset_defaults()
    clear_contextvars()


def serve(app: Flask, fast: bool) -> ProxyHooks:
    """Hooks of one event: one binds a variable, the others do not."""
    app.config["PROXYHOOKS_FAST"] = fast
    hooks, logger = ProxyHooks(app), structlog.get_logger("app")

    @hooks.before_hook
    def bind_user(req: UserRequest) -> None:
        bind_contextvars(user_id=req.user)

    @hooks.rpc("bind")
    def bind(req: RPCRequest) -> RPCResult:
        bind_contextvars(bound="sync")
        logger.warning("bound")
        after_reply(logger.warning, "after the reply")
        return RPCResult()

    @hooks.rpc("bind_async")
    async def bind_async(req: RPCRequest) -> RPCResult:
        bind_contextvars(bound="async")
        await asyncio.sleep(0)
        logger.warning("bound")
        after_reply(logger.warning, "after the reply")
        return RPCResult()

    @hooks.rpc("log")
    def log(req: RPCRequest) -> RPCResult:
        logger.warning("logged")
        return RPCResult()

    @hooks.rpc("log_async")
    async def log_async(req: RPCRequest) -> RPCResult:
        logger.warning("logged")
        return RPCResult()

    return hooks


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("clear", ["before_request", "teardown_request"])
@pytest.mark.parametrize(("first", "second"), [("bind", "log"), ("bind_async", "log_async"), ("bind_async", "log")])
def test_what_is_bound_in_one_call_is_gone_in_the_next(
    first: str, second: str, clear: str, fast: bool, app: Flask, ask: Ask, log: Log
) -> None:
    app.testing = True  # so that functions of after_reply run at once
    getattr(app, clear)(lambda *_: clear_contextvars())
    serve(app, fast)
    for _ in range(2):  # the first request of a host goes Flask's own way
        ask("rpc", method=first, user="ada").close()
        ask("rpc", method=second, user="bob").close()
        bound, _, logged = log.take()
        assert (bound["event"], bound["user_id"]) == ("bound", "ada")
        assert bound["bound"] == ("async" if "async" in first else "sync")
        assert (logged["event"], logged["user_id"]) == ("logged", "bob")
        assert "bound" not in logged


@pytest.mark.parametrize("fast", [True, False])
def test_what_teardown_clears_is_in_no_record_between_two_calls(fast: bool, app: Flask, ask: Ask, log: Log) -> None:
    """A request without the secret is refused before any function of the application runs, so none could clear."""
    app.testing = True
    app.teardown_request(lambda _: clear_contextvars())
    serve(app, fast)
    for _ in range(2):
        ask("rpc", method="bind", user="ada").close()
        _, after = log.take()
        ask("rpc", headers={"X-Proxyhooks-Secret": "wrong"}, method="log")
        (refused,) = log.take()
        assert after["event"] == "after the reply"
        assert "X-Proxyhooks-Secret" in refused["event"]
        for record in (after, refused):
            assert not {"user_id", "bound"} & record.keys()
        rate_limited.limit.reset()


def test_a_record_of_the_package_keeps_its_text_and_gets_what_is_bound(app: Flask, ask: Ask, log: Log) -> None:
    """ExtraAdder copies the extra fields of a record, and the text is in the field ``event``."""
    hooks = serve(app, True)

    @hooks.rpc("fail", data_schema=fail)
    def hook(req: RPCRequest) -> RPCResult: ...

    assert ask("rpc", method="fail", user="ada").json == {"error": {"code": 107, "message": "bad request"}}
    (record,) = log.take()
    assert (record["level"], record["user_id"]) == ("warning", "ada")
    assert "the payload is invalid" in record["event"]


def fail(data: Any) -> Any:
    raise ValueError
