"""The secret: what is accepted as configuration, and what as a header."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from proxyhooks import ProxyHooks, SetupError


def status(app: Flask, headers: Any = None) -> int:
    return app.test_client().post("/centrifugo/rpc", data=b"{}", headers=headers).status_code


def served(**config: Any) -> Flask:
    app = Flask("app")
    app.config.update(config)
    hooks = ProxyHooks(app)
    hooks.rpc(lambda req: None)  # type: ignore[arg-type, return-value]
    return app


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({}, "no secret is configured"),
        ({"PROXYHOOKS_SECRETS": "s3cret"}, "not a str"),
        ({"PROXYHOOKS_SECRETS": []}, "empty"),
        ({"PROXYHOOKS_SECRETS": [""]}, "empty"),
        ({"PROXYHOOKS_SECRETS": ["good", ""]}, "empty"),
        ({"PROXYHOOKS_SECRETS": ["good", None]}, "NoneType"),
        ({"PROXYHOOKS_SECRETS": [b"bytes"]}, "bytes"),
        ({"PROXYHOOKS_SECRETS": ["new\nline"]}, "printable ASCII"),
        ({"PROXYHOOKS_SECRETS": [" space"]}, "printable ASCII"),
        ({"PROXYHOOKS_SECRETS": ["schlüssel"]}, "printable ASCII"),
        ({"PROXYHOOKS_INSECURE": False}, "no secret is configured"),
        ({"PROXYHOOKS_INSECURE": "True"}, "PROXYHOOKS_INSECURE must be True or False"),
        ({"PROXYHOOKS_INSECURE": 1}, "PROXYHOOKS_INSECURE must be True or False"),
    ],
)
def test_a_configuration_that_lets_everybody_or_nobody_in_is_refused(config: dict[str, Any], hint: str) -> None:
    with pytest.raises(SetupError) as refused:
        served(**config)
    assert hint in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert "schl" not in str(refused.value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Proxyhooks-Secret": "old"}, 500),
        ({"X-Proxyhooks-Secret": "new"}, 500),
        ({"x-proxyhooks-secret": "new"}, 500),
        ({}, 403),
        ({"X-Proxyhooks-Secret": ""}, 403),
        ({"X-Proxyhooks-Secret": "New"}, 403),
        ({"X-Proxyhooks-Secret": "new "}, 403),
        ({"X-Proxyhooks-Secret": "old,new"}, 403),
        ({"X-Proxyhooks-Secret": "ol"}, 403),
        ({"X-Proxyhooks-Secret": "\u00fc"}, 403),
        ([("X-Proxyhooks-Secret", "new"), ("X-Proxyhooks-Secret", "x")], 403),
        ({"Authorization": "new"}, 403),
    ],
)
def test_one_of_the_secrets_has_to_be_in_the_header(headers: Any, expected: int) -> None:
    # The hook returns None, so 500 tells that it was reached.
    assert status(served(PROXYHOOKS_SECRETS=["old", "new"]), headers) == expected


def test_insecure_is_an_opt_out_for_missing_secrets_only() -> None:
    assert status(served(PROXYHOOKS_INSECURE=True)) == 500
    assert status(served(PROXYHOOKS_INSECURE=True, PROXYHOOKS_SECRETS=["x"])) == 403


def test_a_wrong_secret_is_logged_with_the_address_and_never_the_value(caplog: pytest.LogCaptureFixture) -> None:
    app = served(PROXYHOOKS_SECRETS=["right"])
    status(app, {"X-Proxyhooks-Secret": "guessed"})
    status(app)
    assert [record.getMessage() for record in caplog.records] == [
        "/centrifugo/rpc: a wrong X-Proxyhooks-Secret from 127.0.0.1",
        "/centrifugo/rpc: no X-Proxyhooks-Secret from 127.0.0.1",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_secrets_come_from_the_environment_as_flask_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps(["from the environment"]))
    app = Flask("app")
    app.config.from_prefixed_env()
    ProxyHooks(app).rpc(lambda req: None)  # type: ignore[arg-type, return-value]
    assert status(app, {"X-Proxyhooks-Secret": "from the environment"}) == 500


def test_an_environment_that_nobody_has_read_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["x"]')
    with pytest.raises(SetupError, match="from_prefixed_env"):
        served()


def test_every_accepted_value_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, value: bytes) -> bool:
        compared.append(value)
        return given == value

    monkeypatch.setattr("hmac.compare_digest", compare)
    app = served(PROXYHOOKS_SECRETS=["a", "b", "c"])
    status(app, {"X-Proxyhooks-Secret": "a"})
    assert compared == [b"a", b"b", b"c"]
