"""The application with the demo's users and rooms, and everybody around it: browsers, clients, Centrifugo's API."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from rooms import create_app, database
from rooms.accounts import start_login, tokens
from rooms.database import add_demo, init_db
from rooms.models import User, db
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from proxyhooks.testing import ProxyClient

CENTRIFUGO_JSON = Path(__file__).parent.parent / "centrifugo.json"


def make_app(path: Path) -> Flask:
    return create_app(
        {
            "SECRET_KEY": "for sessions",
            "PROXYHOOKS_SECRETS": ["s3cret"],
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{path}",
            "TESTING": True,
        }
    )


@pytest.fixture(scope="session", autouse=True)
def settings_of_the_tests_alone() -> Iterator[None]:
    """The shell may have the settings with which the application runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FLASK_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def fast_hashes() -> Iterator[None]:
    """Passwords of the demo are hashed with one round, since a good hash is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "generate_password_hash", partial(generate_password_hash, method="pbkdf2:sha256:1"))
        yield


@pytest.fixture(scope="session")
def demo(fast_hashes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as ``init-db --demo`` makes it."""
    path = tmp_path_factory.mktemp("demo") / "rooms.sqlite"
    app = make_app(path)
    with app.app_context():
        init_db()
        add_demo()
        db.engine.dispose()
    return path


@pytest.fixture
def app(demo: Path, tmp_path: Path) -> Iterator[Flask]:
    path = tmp_path / "rooms.sqlite"
    shutil.copy(demo, path)
    app = make_app(path)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """For the views; Centrifugo is a :class:`ProxyClient`."""
    return app.test_client()


@pytest.fixture
def enter(app: Flask) -> Callable[[str], ProxyClient]:
    """``enter("ada")`` is a connected client of this user, with a login of its own."""

    def make(name: str) -> ProxyClient:
        with app.app_context():  # as /token does
            token = tokens().dumps(start_login(db.session.scalars(select(User).filter_by(name=name)).one()).id)
        client = ProxyClient(app, config=CENTRIFUGO_JSON)
        assert client.connect({"token": token}).allowed
        return client

    return make


@pytest.fixture
def api_calls(app: Flask) -> Iterator[list[tuple[str, Any]]]:
    """What the application asks Centrifugo's server API for: the method and the body of each call."""
    calls: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            allowed = self.headers["X-API-Key"] == "key"
            if allowed:
                calls.append((self.path.removeprefix("/api/"), body))
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(b'{"result":{}}')

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        app.config.update(CENTRIFUGO_API_URL=f"http://127.0.0.1:{server.server_port}/api", CENTRIFUGO_API_KEY="key")
        yield calls
        server.shutdown()
        thread.join(30)
