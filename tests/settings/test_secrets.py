"""The secret: what is accepted as configuration, and what as a header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SetupError, read_request
from proxyhooks._settings.secret_usage import usage_of
from proxyhooks._settings.secrets import ReceivedSecret
from proxyhooks._settings.settings import load_secrets
from proxyhooks.centrifugo.config.writing import ConfigOptions
from proxyhooks.centrifugo.doctor.http_client import parse_backend_url
from proxyhooks.centrifugo.doctor.options import DoctorOptions
from proxyhooks.cli import centrifugo
from proxyhooks.cli._app import current_backend
from proxyhooks.testing import ProxyClient


def status(app: Flask, headers: Any = None) -> int:
    return app.test_client().post("/centrifugo/rpc", data=b"{}", headers=headers).status_code


def served(**config: Any) -> Flask:
    app = Flask("app")
    app.config.update(config)
    hooks = ProxyHooks(app)
    hooks.rpc(lambda req: RPCResult(data=1 / 0))
    return app


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({}, "no secret is configured"),
        ({}, "from the environment, FLASK_PROXYHOOKS_SECRETS='[\"...\"]'"),
        ({"PROXYHOOKS_SECRETS": "s3cret"}, "not a value of type str"),
        ({"PROXYHOOKS_SECRETS": []}, "empty"),
        ({"PROXYHOOKS_SECRETS": [""]}, "empty"),
        ({"PROXYHOOKS_SECRETS": ["good", ""]}, "empty"),
        ({"PROXYHOOKS_SECRETS": ["good", None]}, "NoneType"),
        ({"PROXYHOOKS_SECRETS": [b"bytes"]}, "bytes"),
        ({"PROXYHOOKS_SECRETS": ["new\nline"]}, "printable ASCII"),
        ({"PROXYHOOKS_SECRETS": [" space"]}, "printable ASCII"),
        ({"PROXYHOOKS_SECRETS": ["schlüssel"]}, "printable ASCII"),
        ({"PROXYHOOKS_SECRETS_FILE": ["s3cret"]}, "not a value of type list"),
        ({"PROXYHOOKS_SECRETS_FILE": ""}, "not an empty text"),
        ({"PROXYHOOKS_INSECURE": False}, "no secret is configured"),
        ({"PROXYHOOKS_INSECURE": "True"}, "PROXYHOOKS_INSECURE must be True or False"),
        ({"PROXYHOOKS_INSECURE": 1}, "PROXYHOOKS_INSECURE must be True or False"),
    ],
)
def test_a_configuration_that_accepts_every_request_or_none_is_refused(config: dict[str, Any], hint: str) -> None:
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
def test_a_request_needs_one_of_the_secrets_in_its_header(headers: Any, expected: int) -> None:
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
        "/centrifugo/rpc: a wrong X-Proxyhooks-Secret from 127.0.0.1 [event=rpc]",
        "/centrifugo/rpc: no X-Proxyhooks-Secret from 127.0.0.1 [event=rpc]",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_secrets_come_from_the_environment_as_flask_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", json.dumps(["from the environment"]))
    app = Flask("app")
    app.config.from_prefixed_env()
    ProxyHooks(app).rpc(lambda req: RPCResult(data=1 / 0))
    assert status(app, {"X-Proxyhooks-Secret": "from the environment"}) == 500


def test_an_environment_that_flask_has_not_read_is_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["x"]')
    with pytest.raises(SetupError, match="from_prefixed_env"):
        served()


def test_every_accepted_value_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(header: bytes, value: bytes) -> bool:
        compared.append(value)
        return header == value

    monkeypatch.setattr("hmac.compare_digest", compare)
    app = served(PROXYHOOKS_SECRETS=["a", "b", "c"])
    status(app, {"X-Proxyhooks-Secret": "a"})
    assert compared == [b"a", b"b", b"c"]


# from a file


def accepted(app: Flask, value: str) -> bool:
    return status(app, {"X-Proxyhooks-Secret": value}) == 500


def test_a_file_has_a_secret_a_line_and_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(b"old\r\n\n  new  \n")
    app = served(PROXYHOOKS_SECRETS_FILE=str(path))
    assert accepted(app, "old")
    assert accepted(app, "new")
    assert not accepted(app, "")
    path.write_text("new\nnewer\n")
    assert [accepted(app, value) for value in ("old", "new", "newer")] == [False, True, True]
    path.unlink()
    (tmp_path / "other").write_text("another\n")
    (tmp_path / "other").rename(path)
    assert [accepted(app, value) for value in ("newer", "another")] == [False, True]
    assert "another" not in caplog.text
    assert "newer" not in caplog.text


@pytest.mark.parametrize("broken", [None, b"", b" \n\n", b"good\nschl\xc3\xbcssel", b"a\x00b", b"\xff"])
def test_a_broken_file_leaves_the_last_good_list_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: bytes | None
) -> None:
    path = tmp_path / "secrets"
    path.write_text("first")
    app = served(PROXYHOOKS_SECRETS_FILE=path)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    assert [accepted(app, value) for value in ("first", "", "good", "second")] == [True, False, False, False]
    errors = [record for record in caplog.records if record.levelname == "ERROR" and "in force" in record.getMessage()]
    assert len(errors) == 1
    assert "first" not in caplog.text
    path.write_text("second")
    assert [accepted(app, value) for value in ("first", "second")] == [False, True]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (None, "cannot be read: No such file"),
        (b"\n", "no secret in it"),
        (b"a\n\xff", "line 2: "),
        (b"a\n# old", "line 2 begins with #"),
    ],
)
def test_a_file_that_accepts_every_request_or_none_is_refused(tmp_path: Path, content: bytes | None, hint: str) -> None:
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SetupError, match=hint):
        served(PROXYHOOKS_SECRETS_FILE=str(path), PROXYHOOKS_SECRETS=["x"], PROXYHOOKS_INSECURE=True)


@pytest.mark.parametrize("path", ["", 7, True])
def test_a_setting_that_is_not_a_path_is_refused(path: Any) -> None:
    with pytest.raises(SetupError, match="must be the path of a file"):
        served(PROXYHOOKS_SECRETS_FILE=path)


def test_the_argument_wins_over_the_file_and_the_file_over_the_list(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("of the file")
    app = served(PROXYHOOKS_SECRETS_FILE=str(tmp_path / "secrets"), PROXYHOOKS_SECRETS=["of the list"])
    assert [accepted(app, value) for value in ("of the file", "of the list")] == [True, False]
    both = Flask("both")
    both.config.update(PROXYHOOKS_SECRETS_FILE=str(tmp_path / "secrets"))
    ProxyHooks(both, secrets=["of the code"]).rpc(lambda req: RPCResult(data=1 / 0))
    assert [accepted(both, value) for value in ("of the code", "of the file")] == [True, False]


def test_plain_views_read_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text("old")
    app = Flask("views")
    app.config["PROXYHOOKS_SECRETS_FILE"] = str(path)
    app.post("/centrifugo/rpc")(lambda: read_request(RPCRequest).user)
    body = b'{"client":"1","transport":"websocket","protocol":"json","encoding":"json","user":"u","method":"m"}'

    def status_with(value: str) -> int:
        return app.test_client().post("/centrifugo/rpc", data=body, headers={"X-Proxyhooks-Secret": value}).status_code

    assert status_with("old") == 200
    path.write_text("")
    assert status_with("old") == 200
    path.write_text("newest")
    assert [status_with(value) for value in ("old", "newest")] == [403, 200]


def test_the_command_line_makes_new_secrets(app: Flask) -> None:
    printed = {app.test_cli_runner().invoke(centrifugo, ["secret"]).stdout for _ in range(2)}
    assert len(printed) == 2
    assert all(
        len(text.strip()) == 43 and accepted(served(PROXYHOOKS_SECRETS=[text.strip()]), text.strip())
        for text in printed
    )


def test_the_application_never_sees_the_secret_of_a_request() -> None:
    """Neither in the headers that error reporters collect, nor on an error page."""
    app = Flask("app")
    app.config.update(PROXYHOOKS_SECRETS=["the-secret"])
    hooks, seen = ProxyHooks(app), list[str]()
    app.before_request(lambda: seen.append(repr(list(request.headers)) + repr(request.environ)))
    hooks.rpc(lambda req: RPCResult(data=1 / 0))
    app.add_url_rule(
        "/own", view_func=lambda: str(read_request(RPCRequest) is read_request(RPCRequest)), methods=["POST"]
    )
    app.errorhandler(500)(lambda error: (repr(list(request.headers)) + repr(error), 500))
    headers = {"X-Proxyhooks-Secret": "the-secret", "X-Other": "kept"}
    response = app.test_client().post("/centrifugo/rpc", data=b"{}", headers=headers)
    assert (response.status_code, "the-secret" in response.text, "X-Other" in response.text) == (500, False, True)
    assert "the-secret" not in "".join(seen)
    # A plain view may call read_request twice.
    assert app.test_client().post("/own", data=b"{}", headers=headers).text == "True"


def test_no_repr_has_a_secret() -> None:
    app = served(PROXYHOOKS_SECRETS=["the-secret"])
    client = ProxyClient(app)
    with app.test_request_context():
        objects: list[object] = [
            client,
            client._caller,
            client._caller.transport,
            app.extensions["proxyhooks"],
            *app.extensions["proxyhooks"].middleware.hook_urls.values(),
            load_secrets(app.config, "app"),
            current_backend(),
            ConfigOptions(base_url="http://x", allowed_origins=[], secret="the-secret"),
            DoctorOptions(url=parse_backend_url("http://127.0.0.1:1"), secret="the-secret"),
            usage_of((b"the-secret",), "app"),
            ReceivedSecret("the-secret"),
        ]
    assert not [item for item in objects if "the-secret" in repr(item) or "the-secret" in str(item)]
