"""The warning about database pools that are smaller than a worker's threads."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rooms
import sqlalchemy
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from proxyhooks._settings.settings import AFTER_REPLY_THREADS
from proxyhooks.gunicorn import settings
from proxyhooks.gunicorn.database_pools import warn_of_small_pools
from proxyhooks.gunicorn.settings import worker_class
from tests.support.paths import ROOT

LOG = logging.getLogger("gunicorn.error")


def application(here: Path, engine_options: dict[str, Any], **config: Any) -> Flask:
    app = Flask("app")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{here / 'a.sqlite'}"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options
    app.config.update(config)
    SQLAlchemy(app)
    return app


def warnings(app: Any, caplog: pytest.LogCaptureFixture, threads: int = 16, kind: str = worker_class) -> list[str]:
    cfg = SimpleNamespace(threads=threads, worker_class_str=kind)
    with caplog.at_level(logging.INFO):
        warn_of_small_pools(SimpleNamespace(cfg=cfg, log=LOG, wsgi=app))
    return caplog.messages


@pytest.mark.parametrize("kind", [worker_class, "gthread"])
def test_a_pool_that_is_smaller_than_the_threads_is_a_warning_with_the_remedy(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(application(tmp_path, {}), caplog, kind=kind) == [
        "The pool of the database is limited to 15, and this worker has 16 threads: a hook that gets no connection in "
        'time fails. Set SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 16}, or start gunicorn with --threads 15'
    ]


def test_what_the_deployment_guide_advises_is_enough(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    advice = 'SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 16}'
    assert advice in (ROOT / "deploy" / "README.md").read_text()
    assert warnings(application(tmp_path, {"pool_size": 16}), caplog, threads=settings.threads) == []


def test_the_rooms_example_has_a_connection_for_each_thread_and_each_function_after_the_reply(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"SECRET_KEY": "k", "PROXYHOOKS_SECRETS": ["s"], "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'a'}"}
    app = rooms.create_app(config)
    assert warnings(app, caplog, threads=settings.threads + AFTER_REPLY_THREADS.default) == []


def test_each_pool_of_several_databases_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    binds = {"archive": {"url": f"sqlite:///{tmp_path / 'b.sqlite'}", "pool_size": 2, "max_overflow": 1}}
    app = application(tmp_path, {"pool_size": 16}, SQLALCHEMY_BINDS=binds)
    assert [message[:50] for message in warnings(app, caplog)] == ["The pool of the database 'archive' is limited to 3"]


@pytest.mark.parametrize(
    "engine_options",
    [
        {"pool_size": 16},
        {"pool_size": 6},
        {"max_overflow": -1},
        {"pool_size": 0, "max_overflow": 0},
        {"poolclass": sqlalchemy.NullPool},
        {"poolclass": sqlalchemy.StaticPool},
    ],
)
def test_a_pool_that_is_large_enough_or_has_no_limit_is_none(
    engine_options: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(application(tmp_path, engine_options), caplog) == []


@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_a_worker_that_calls_no_hooks_in_threads_gets_none(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(application(tmp_path, {}), caplog, kind=kind) == []


@pytest.mark.parametrize(
    "app",
    [Flask("app"), lambda environ, start_response: [], SimpleNamespace(extensions={"sqlalchemy": object()})],
    ids=["no database", "no Flask application", "another extension"],
)
def test_where_nothing_can_be_seen_there_is_none(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(app, caplog) == []
