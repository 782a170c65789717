"""Extensions of other people, for applications that are made up."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import sqlalchemy
from flask import Flask, request
from flask_caching import Cache
from flask_compress import Compress
from flask_limiter import Limiter
from flask_login import LoginManager, UserMixin, current_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from proxyhooks import current_request
from tests.support.fast_path import behind

Note = Callable[..., None]


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def login(app: Flask, note: Note) -> None:
    """Flask-Login, whose user is the message's or the cookie's."""
    app.secret_key = app.secret_key or "key"
    manager = LoginManager(app)
    manager.user_loader(User)

    @manager.request_loader
    def load(of: Any) -> User | None:
        note("login", of.path, of is behind(request))
        user = getattr(current_request, "user", "")
        return User(user) if user else None

    @app.before_request
    def who() -> None:
        note("user", current_user.is_authenticated, getattr(current_user, "id", None))


def limiter(app: Flask, note: Note) -> None:
    """Flask-Limiter: three calls of a user in a day."""

    def key() -> str:
        name = getattr(current_request, "user", "") or "nobody"
        note("limited", name)
        return name

    Limiter(key, app=app, default_limits=["3 per day"], storage_uri="memory://")


def database(app: Flask, note: Note) -> None:
    """Flask-SQLAlchemy, with a session that is used before the hook and removed after it."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    # Python 3.13 warns of a connection that the garbage collector closes.
    with app.app_context():
        weakref.finalize(app, db.engine.dispose)

    @app.before_request
    def ask() -> None:
        note("database", db.session.scalar(sqlalchemy.select(sqlalchemy.literal(1))))

    @app.teardown_appcontext
    def gone(error: BaseException | None) -> None:
        note("sessions", len(db.session.registry.registry))


def compress(app: Flask, note: Note) -> None:
    """Flask-Compress, for whatever it can get."""
    app.config |= {"COMPRESS_MIN_SIZE": 0, "COMPRESS_MIMETYPES": ["application/json", "text/plain"]}
    Compress(app)


def csrf(app: Flask, note: Note) -> None:
    """Flask-WTF, from which hooks are exempt."""
    app.secret_key = app.secret_key or "key"
    CSRFProtect(app)


def caching(app: Flask, note: Note) -> None:
    """Flask-Caching, of a function and of the whole reply."""
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache = Cache(app)

    @cache.memoize()
    def computed(name: str) -> str:
        note("computed", name)
        return name

    @app.before_request
    def ask() -> None:
        note("cached", computed(getattr(current_request, "user", "")))


EXTENSIONS: list[Callable[[Flask, Note], None]] = [login, limiter, database, compress, csrf, caching]
