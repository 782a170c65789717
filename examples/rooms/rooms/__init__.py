"""A chat with a page: users, rooms and messages in a database, two ways to log in, all everyday events.

README.md says how to run it. Every setting below can come from the environment, as ``FLASK_`` and its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from proxyhooks import ProxyHooks

from . import accounts, chat, connection, database, login, membership, moderation, page
from .limits import limiter
from .models import db
from .schemas import MetaSchema


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    app = Flask(__name__, static_folder=None)  # the page has it
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI="sqlite:///rooms.sqlite",  # in app.instance_path
        # A connection for each of a worker's 16 threads, and 10 more for the functions of after_reply.
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 16},
        SESSION_COOKIE_SECURE=True,  # to try it without TLS: FLASK_SESSION_COOKIE_SECURE=false
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=128 * 1024,  # bytes of a body, twice what a message to Centrifugo may have
        LOGIN_LIFETIME=12 * 3600,  # seconds
        REFRESH_AFTER=600,
        SUB_REFRESH_AFTER=300,
        LOGIN_LIMIT="10 per minute",  # for each address
        PUBLISH_LIMIT="20 per 10 seconds",
        # Each worker counts by itself here. What several are to count together is in one storage: redis://...
        RATELIMIT_STORAGE_URI="memory://",
        RATELIMIT_STRATEGY="moving-window",
        CENTRIFUGO_API_URL=None,  # such as http://127.0.0.1:8000/api; without, the backend publishes nothing itself
        CENTRIFUGO_API_KEY="",
        CENTRIFUGO_WEBSOCKET_URL=None,  # for the page; by default port 8000 on the page's host
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    if not app.secret_key or not isinstance(app.secret_key, str):
        raise RuntimeError("FLASK_SECRET_KEY must be a text, one of digits in quotes: it signs sessions and tokens")

    db.init_app(app)
    limiter.init_app(app)
    app.register_blueprint(login.blueprint)
    app.register_blueprint(page.blueprint)
    for command in (database.init_db_command, moderation.ban_command, moderation.unban_command):
        app.cli.add_command(command)

    hooks = ProxyHooks(app, http_headers=["Cookie"], meta_schema=MetaSchema)
    hooks.before_hook(accounts.load_user)
    hooks.include(connection.hooks)
    hooks.include(chat.hooks)
    hooks.include(membership.hooks, rpc_prefix="rooms.")
    return app
