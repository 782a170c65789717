"""The examples, called through the package's test client."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer

from proxyhooks import Error, errors
from proxyhooks.testing import Exchange, MisreadReply, ProxyClient
from tests.support.paths import ROOT

SECRET = "s3cret"
ROOMS = ROOT / "examples" / "rooms"


def soon(result: dict[str, Any] | None, seconds: int) -> bool:
    assert result is not None
    left = result["expire_at"] - time.time()
    return bool(seconds * 0.9 - 30 <= left <= seconds + 1)


def data_of(step: Exchange) -> Any:
    assert step.allowed, step
    return (step.result or {}).get("data")


def refused(step: Exchange, error: type[Error]) -> bool:
    """Whether it was refused with this error: code, message and temporary."""
    expected = error()
    return (step.outcome, step.code, step.message, step.temporary) == (
        "refused",
        expected.code,
        expected.message,
        expected.temporary,
    )


# one file each


def imported(folder: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module app.py of an example."""
    monkeypatch.setenv("FLASK_SECRET_KEY", "for tokens")
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps([SECRET]))
    spec = importlib.util.spec_from_file_location("app", ROOT / "examples" / folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "app", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def minimal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("minimal", monkeypatch)


@pytest.fixture
def plain_views(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("plain_views", monkeypatch)


def test_minimal_is_short() -> None:
    assert len((ROOT / "examples" / "minimal" / "app.py").read_text().splitlines()) < 40


def test_minimal_knows_a_user_by_the_signed_token(minimal: ModuleType) -> None:
    assert ProxyClient(minimal.app).connect(minimal.tokens.dumps("ada")).result == {"user": "ada"}


def test_minimal_sends_everybody_else_away(minimal: ModuleType) -> None:
    said = ProxyClient(minimal.app).connect()
    assert (said.outcome, said.code, said.reason) == ("disconnected", 4501, "unauthorized")


@pytest.mark.parametrize("data", [None, "ada", {"user": "ada"}, 1, "x" * 9999])
def test_minimal_sends_away_who_brings_something_else(minimal: ModuleType, data: Any) -> None:
    assert ProxyClient(minimal.app).connect(data).disconnected_with(4501)


def test_minimal_refuses_a_token_signed_for_something_else(minimal: ModuleType) -> None:
    token = URLSafeTimedSerializer("for tokens", salt="password reset").dumps("ada")
    assert ProxyClient(minimal.app).connect(token).disconnected_with(4501)


@pytest.fixture
def ada(minimal: ModuleType) -> ProxyClient:
    """A connected client of the minimal example."""
    client = ProxyClient(minimal.app)
    assert client.connect(minimal.tokens.dumps("ada")).allowed
    return client


def test_minimal_gives_users_their_own_inbox_only(ada: ProxyClient) -> None:
    assert ada.subscribe("inbox:ada").result == {}
    assert refused(ada.subscribe("inbox:bob"), errors.PermissionDenied)
    assert refused(ada.subscribe("inbox:a/b"), errors.UnknownChannel)
    assert refused(ada.subscribe("news"), errors.PermissionDenied)  # Centrifugo: no option lets anybody in


def test_minimal_answers_a_call(ada: ProxyClient) -> None:
    assert ada.rpc("whoami").result == {"data": {"user": "ada"}}
    assert refused(ada.rpc("whoareyou"), errors.MethodNotFound)


def test_minimal_does_not_start_without_keys() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASK_")}
    command = [sys.executable, "-c", "import app"]
    started = subprocess.run(
        command, cwd=ROOT / "examples" / "minimal", env=environment, capture_output=True, check=False, timeout=60
    )
    assert started.returncode == 1


PLAIN = {event: f"/centrifugo/{event}" for event in ("connect", "refresh", "publish", "rpc")}


@pytest.fixture
def plain(plain_views: ModuleType) -> ProxyClient:
    client = ProxyClient(plain_views.app, urls=PLAIN)
    assert client.connect(plain_views.tokens.dumps("ada")).allowed
    return client


def test_plain_views_connect_by_the_signed_token(plain_views: ModuleType) -> None:
    client = ProxyClient(plain_views.app, urls=PLAIN)
    assert client.connect().disconnected_with(4501)
    assert client.connect({"user": "ada"}).disconnected_with(4501)
    blocked = client.connect(plain_views.tokens.dumps("mallory"))
    assert (blocked.outcome, blocked.code, blocked.reason) == ("disconnected", 4503, "blocked")
    step = client.connect(plain_views.tokens.dumps("ada"))
    assert client.user == "ada"
    assert soon(step.result, 600)


def test_plain_views_ask_for_the_secret(plain_views: ModuleType, plain: ProxyClient) -> None:
    with pytest.raises(MisreadReply, match="403"):
        ProxyClient(plain_views.app, urls=PLAIN, secret="wrong").connect()
    plain_views.app.config["PROXYHOOKS_SECRETS"] = ["another one"]
    for ask in (plain.refresh, lambda: plain.publish("inbox:bob", {"text": "hi"}), lambda: plain.rpc("whoami")):
        with pytest.raises(MisreadReply, match="403"):
            ask()


def test_plain_views_refresh(plain_views: ModuleType, plain: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    (refreshed,) = plain.advance(minutes=10)
    assert refreshed.event == "refresh"
    # Twice ten minutes, each shortened by up to a tenth.
    assert plain.expire_at > time.time() + 1080 - 5
    monkeypatch.setattr(plain_views, "BLOCKED", {"ada"})
    (ended,) = plain.advance(minutes=10)
    assert ended.outcome == "expired"
    assert not plain.connected


def test_plain_views_publish(plain_views: ModuleType, plain: ProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain.publish("inbox:bob", {"text": "hi"}).result == {"data": {"text": "hi", "from": "ada"}}
    assert refused(plain.publish("inbox:bob", {"text": ""}), errors.BadRequest)
    assert refused(plain.publish("inbox:bob", None), errors.BadRequest)
    assert refused(plain.publish("news", {"text": "hi"}), errors.UnknownChannel)
    monkeypatch.setattr(plain_views, "BLOCKED", {"ada"})
    blocked = plain.publish("inbox:bob", {"text": "hi"})
    assert (blocked.outcome, blocked.code, blocked.message) == ("refused", 103, "you are blocked")


def test_plain_views_answer_calls(plain: ProxyClient) -> None:
    assert plain.rpc("whoami").result == {"data": {"user": "ada"}}
    assert plain.rpc("inbox").result == {"data": {"channel": "inbox:ada"}}
    assert refused(plain.rpc(""), errors.MethodNotFound)
