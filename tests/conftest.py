"""What many tests start from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from proxyhooks import ProxyHooks
from tests.support.asking import Ask
from tests.support.paths import SECRET


@pytest.fixture
def app() -> Flask:
    app = Flask("app")
    app.config.update(PROXYHOOKS_SECRETS=[SECRET], SECRET_KEY="for sessions")
    return app


@pytest.fixture
def hooks(app: Flask) -> ProxyHooks:
    return ProxyHooks(app)


@pytest.fixture
def ask(app: Flask) -> Ask:
    """Send an event as Centrifugo does: ``ask("rpc", method="x", data=1)``, or ``ask("rpc", b"...")``."""

    def send(
        event: str, body: bytes | None = None, /, headers: dict[str, str] | None = None, **fields: Any
    ) -> TestResponse:
        return app.test_client().post(
            f"/centrifugo/{event}",
            data=json.dumps(fields).encode() if body is None else body,
            headers={"X-Proxyhooks-Secret": SECRET, "Content-Type": "application/json", **(headers or {})},
        )

    return send
