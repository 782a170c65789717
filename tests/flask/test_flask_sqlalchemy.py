"""Flask-SQLAlchemy in hooks: each call has a session of its own, which ends with the call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from proxyhooks import Error, ProxyHooks, RPCRequest, RPCResult, after_reply
from tests.support.asking import Ask

LIMIT = 60.0
"""Seconds."""
THREADS = 4
METHODS = ("sync", "async")
REFUSED = {"error": {"code": 1001, "message": "no"}}


class Database:
    """A table of notes, in a file: each session then takes a connection from the pool, and has to return it."""

    def __init__(self, app: Flask, file: Path) -> None:
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{file}"
        self.db = db = SQLAlchemy(app)

        class Note(db.Model):  # type: ignore[name-defined]  # made at run time
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]

        self.app, self.note = app, Note
        with app.app_context():
            db.create_all()

    def texts(self) -> list[str]:
        with self.app.app_context():
            return sorted(note.text for note in self.db.session.scalars(self.db.select(self.note)))

    def connections_in_use(self) -> int:
        with self.app.app_context():
            pool: Any = self.db.engine.pool
            return int(pool.checkedout())


@pytest.fixture
def database(app: Flask, tmp_path: Path) -> Iterator[Database]:
    database = Database(app, tmp_path / "notes.sqlite")
    yield database
    with app.app_context():
        database.db.session.remove()  # an engine closes only connections that are not in use
        database.db.engine.dispose()


def write(database: Database, req: RPCRequest) -> RPCResult:
    session = database.db.session
    session.add(database.note(text=req.data["text"]))
    session.flush()
    if req.data["then"] == "refuse":
        raise Error(1001, "no")
    if req.data["then"] == "raise":
        raise RuntimeError
    if req.data["then"] == "return":
        return None  # type: ignore[return-value]
    session.commit()
    return RPCResult()


@pytest.mark.parametrize("fast", [True, False])
def test_the_session_ends_with_the_call_whatever_the_hook_does(
    fast: bool, app: Flask, ask: Ask, database: Database
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks, sessions = ProxyHooks(app), list[Any]()

    @hooks.rpc("sync")
    def sync(req: RPCRequest) -> RPCResult:
        sessions.append(database.db.session())
        return write(database, req)

    @hooks.rpc("async")
    async def asynchronous(req: RPCRequest) -> RPCResult:
        sessions.append(database.db.session())
        await asyncio.sleep(0)
        return write(database, req)

    outcomes = {"commit": (200, {"result": {}}), "refuse": (200, REFUSED), "raise": (500, None), "return": (500, None)}
    for method in METHODS:
        for then, (status, body) in outcomes.items():
            reply = ask("rpc", method=method, data={"text": f"{method} {then}", "then": then})
            assert (reply.status_code, reply.json) == (status, body)
            assert database.connections_in_use() == 0
    assert len(set(map(id, sessions))) == len(METHODS) * len(outcomes)  # the list keeps them, so that ids differ
    assert not any(session.in_transaction() for session in sessions)
    assert database.texts() == ["async commit", "sync commit"]


@pytest.mark.parametrize("fast", [True, False])
def test_calls_at_the_same_time_have_sessions_of_their_own(
    fast: bool, app: Flask, ask: Ask, database: Database
) -> None:
    app.config["PROXYHOOKS_FAST"] = fast
    hooks, together = ProxyHooks(app), threading.Barrier(THREADS, timeout=LIMIT)
    sessions: list[tuple[Any, Any]] = []

    def meet() -> RPCResult:
        first = database.db.session()
        together.wait()
        sessions.append((first, database.db.session()))
        return RPCResult(data=database.db.session.scalar(database.db.text("SELECT 7")))

    @hooks.rpc("sync")
    def sync(req: RPCRequest) -> RPCResult:
        return meet()

    @hooks.rpc("async")
    async def asynchronous(req: RPCRequest) -> RPCResult:
        return meet()

    ask("rpc", method="other")  # the first request of a host goes Flask's own way
    replies: list[Any] = []
    threads = [
        threading.Thread(target=lambda number=number: replies.append(ask("rpc", method=METHODS[number % 2]).json))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert replies == [{"result": {"data": 7}}] * THREADS
    assert all(first is second for first, second in sessions)
    assert len({id(first) for first, _ in sessions}) == THREADS
    assert database.connections_in_use() == 0


def test_a_function_of_after_reply_has_a_session_of_its_own(app: Flask, ask: Ask, database: Database) -> None:
    app.testing = True
    hooks, sessions = ProxyHooks(app), list[Any]()

    @hooks.rpc
    def hook(req: RPCRequest) -> RPCResult:
        sessions.append(database.db.session())
        database.db.session.add(database.note(text="not committed"))
        database.db.session.flush()
        after_reply(later)
        return RPCResult()

    def later() -> None:
        sessions.append(database.db.session())
        database.db.session.add(database.note(text="later"))
        database.db.session.commit()

    assert ask("rpc", method="x").json == {"result": {}}
    assert sessions[0] is not sessions[1]
    assert database.texts() == ["later"]
    assert database.connections_in_use() == 0
