"""A long job with progress: the page starts it, a worker process does it, both show how far it is.

README.md says how to run it. Every setting below can come from the environment, as ``FLASK_`` and its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from proxyhooks import ProxyHooks

from . import connection, login, methods, page, worker
from .job_store import JobStore


def create_app(config: Mapping[str, Any] | None = None, redis: Redis | None = None) -> Flask:
    """
    :param redis: in place of a connection to ``REDIS_URL``, for tests.
    """
    app = Flask(__name__, static_folder=None)  # the page has it
    app.config.from_mapping(
        SESSION_COOKIE_NAME="jobs_session",  # another application on the same host has a cookie of its own
        SESSION_COOKIE_SECURE=True,  # to try it without TLS: FLASK_SESSION_COOKIE_SECURE=false
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=128 * 1024,  # bytes of a body, twice what a message to Centrifugo may have
        REDIS_URL="redis://127.0.0.1:6379/0",
        CENTRIFUGO_API_URL="http://127.0.0.1:8000/api",
        CENTRIFUGO_API_KEY="",
        CENTRIFUGO_WEBSOCKET_URL=None,  # for the page; by default port 8000 on the page's host
        JOB_TIMEOUT=3600,  # seconds after which a job is stopped, and has failed
        JOB_LEASE=15,  # seconds without a report of its worker after which a job has failed
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    if not app.secret_key or not isinstance(app.secret_key, str):
        raise RuntimeError("FLASK_SECRET_KEY must be a text, one of digits in quotes: it signs the session cookie")

    # A call of Centrifugo waits 3 s at most, so a hook must not wait longer for Redis.
    timeouts = {"socket_timeout": 2, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 1)}
    redis = redis or Redis.from_url(app.config["REDIS_URL"], **timeouts)
    app.extensions["jobs"] = JobStore(redis, timeout=app.config["JOB_TIMEOUT"], lease=app.config["JOB_LEASE"])
    app.register_blueprint(login.blueprint)
    app.register_blueprint(page.blueprint)
    app.cli.add_command(worker.worker_command)

    hooks = ProxyHooks(app, http_headers=["Cookie"])
    hooks.include(connection.hooks)
    hooks.include(methods.hooks, rpc_prefix="jobs.")
    return app
