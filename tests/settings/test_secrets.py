"""The secret: what is accepted as configuration, and what as a header."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from proxyhooks import ProxyHooks, RPCRequest, SetupError, read_request
from proxyhooks._settings.secret_usage import usage_of
from proxyhooks._settings.secrets import load_secrets
from proxyhooks.centrifugo.config.generate import ConfigOptions
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


# from a file


def accepted(app: Flask, value: str) -> bool:
    return status(app, {"X-Proxyhooks-Secret": value}) == 500


def test_a_file_has_one_a_line_and_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
    told = [record for record in caplog.records if record.levelname == "ERROR" and "in force" in record.getMessage()]
    assert len(told) == 1
    assert "first" not in caplog.text
    path.write_text("second")
    assert [accepted(app, value) for value in ("first", "second")] == [False, True]


@pytest.mark.parametrize(
    ("content", "hint"), [(None, "cannot be read: No such file"), (b"\n", "no secret in it"), (b"a\n\xff", "line 2: ")]
)
def test_a_file_that_lets_everybody_or_nobody_in_is_refused(tmp_path: Path, content: bytes | None, hint: str) -> None:
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SetupError, match=hint):
        served(PROXYHOOKS_SECRETS_FILE=str(path), PROXYHOOKS_SECRETS=["x"], PROXYHOOKS_INSECURE=True)


@pytest.mark.parametrize("path", ["", 7, True])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(SetupError, match="must be the path of a file"):
        served(PROXYHOOKS_SECRETS_FILE=path)


def test_the_argument_goes_before_the_file_and_the_file_before_the_list(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("of the file")
    app = served(PROXYHOOKS_SECRETS_FILE=str(tmp_path / "secrets"), PROXYHOOKS_SECRETS=["of the list"])
    assert [accepted(app, value) for value in ("of the file", "of the list")] == [True, False]
    both = Flask("both")
    both.config.update(PROXYHOOKS_SECRETS_FILE=str(tmp_path / "secrets"))
    ProxyHooks(both, secrets=["of the code"]).rpc(lambda req: None)  # type: ignore[arg-type, return-value]
    assert [accepted(both, value) for value in ("of the code", "of the file")] == [True, False]


def test_views_of_ones_own_read_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text("old")
    app = Flask("views")
    app.config["PROXYHOOKS_SECRETS_FILE"] = str(path)
    app.post("/centrifugo/rpc")(lambda: read_request(RPCRequest).user)
    body = b'{"client":"1","transport":"websocket","protocol":"json","encoding":"json","user":"u","method":"m"}'

    def asked(value: str) -> int:
        return app.test_client().post("/centrifugo/rpc", data=body, headers={"X-Proxyhooks-Secret": value}).status_code

    assert asked("old") == 200
    path.write_text("")
    assert asked("old") == 200
    path.write_text("newest")
    assert [asked(value) for value in ("old", "newest")] == [403, 200]


def test_one_can_be_made(app: Flask) -> None:
    made = {app.test_cli_runner().invoke(centrifugo, ["secret"]).stdout for _ in range(2)}
    assert len(made) == 2
    assert all(
        len(text.strip()) == 43 and accepted(served(PROXYHOOKS_SECRETS=[text.strip()]), text.strip()) for text in made
    )


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the uses of secrets are kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    usage_of.cache_clear()
    return tmp_path


def uses(app: Flask, *options: str) -> str:
    done = app.test_cli_runner().invoke(centrifugo, ["secret", "uses", *options])
    return str(done.output)


def test_it_can_be_seen_when_each_secret_was_last_used(temporary: Path) -> None:
    app = served(PROXYHOOKS_SECRETS=["the-new-one", "the-old-one", "the-third"])
    assert uses(app) == "no call with one of these secrets has been accepted on this machine, by this user\n"
    assert status(app, {"X-Proxyhooks-Secret": "wrong"}) == 403
    assert uses(app).startswith("no call")
    status(app, {"X-Proxyhooks-Secret": "the-old-one"})
    since, *lines = uses(app).splitlines()
    assert since.startswith("since 20")
    assert lines[0] == "secret 0: not used"
    assert re.fullmatch(r"secret 1: last used 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d s ago", lines[1])
    assert lines[2] == "secret 2: not used"
    # Another process, and nothing of the values on the disk.
    assert usage_of.__wrapped__((b"the-new-one", b"the-old-one", b"the-third")).last()[1] is not None
    everything = [str(path) for path in temporary.rglob("*")] + [
        p.read_text() for p in temporary.rglob("*") if p.is_file()
    ]
    assert not [text for text in everything if "the-" in text]
    assert {path.stat().st_mode & 0o777 for path in temporary.iterdir()} == {0o700}


def test_a_changed_list_begins_anew(temporary: Path) -> None:
    status(served(PROXYHOOKS_SECRETS=["one", "two"]), {"X-Proxyhooks-Secret": "two"})
    assert uses(served(PROXYHOOKS_SECRETS=["two"])).startswith("no call")
    assert uses(served(PROXYHOOKS_SECRETS=["two", "one"])).startswith("no call")
    assert "secret 1: last used" in uses(served(PROXYHOOKS_SECRETS=["one", "two"]))


def test_a_use_is_written_once_a_second(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = served(PROXYHOOKS_SECRETS=["one"])
    touched: list[Path] = []
    touch = Path.touch
    monkeypatch.setattr(Path, "touch", lambda path, *given: (touched.append(path), touch(path, *given)))
    for _ in range(50):
        status(app, {"X-Proxyhooks-Secret": "one"})
    assert [path.name for path in touched] in (["since", "0"], ["since", "0", "0"])


def test_where_nothing_can_be_written_calls_are_accepted_all_the_same(
    temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (temporary / f"proxyhooks-{os.getuid()}").symlink_to("/proc")  # somebody else's
    app = served(PROXYHOOKS_SECRETS=["one"])
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert status(app, {"X-Proxyhooks-Secret": "one"}) != 403
    told = [message for message in caplog.messages if "cannot be kept" in message]
    assert len(told) == 1
    assert uses(app).startswith("no call")


def test_without_secrets_there_are_no_uses() -> None:
    assert "PROXYHOOKS_INSECURE" in uses(served(PROXYHOOKS_INSECURE=True))


def test_nobody_sees_the_secret_of_a_request() -> None:
    """Not what reports errors with the headers of their request, and not an error page."""
    app = Flask("app")
    app.config.update(PROXYHOOKS_SECRETS=["the-secret"])
    hooks, seen = ProxyHooks(app), list[str]()
    app.before_request(lambda: seen.append(repr(request.headers) + repr(request.environ)))
    hooks.rpc(lambda req: 1 / 0)  # type: ignore[arg-type, return-value]
    app.add_url_rule(
        "/own", view_func=lambda: str(read_request(RPCRequest) is read_request(RPCRequest)), methods=["POST"]
    )
    app.errorhandler(500)(lambda error: (repr(request.headers) + repr(error), 500))
    given = {"X-Proxyhooks-Secret": "the-secret", "X-Other": "kept"}
    answer = app.test_client().post("/centrifugo/rpc", data=b"{}", headers=given)
    assert (answer.status_code, "the-secret" in answer.text, "X-Other" in answer.text) == (500, False, True)
    assert "the-secret" not in "".join(seen)
    # A view of one's own may ask twice.
    assert app.test_client().post("/own", data=b"{}", headers=given).text == "True"


def test_nothing_secret_is_in_a_repr() -> None:
    app = served(PROXYHOOKS_SECRETS=["the-secret"])
    client = ProxyClient(app)
    with app.test_request_context():
        things: list[object] = [
            client,
            client._transport,
            app.extensions["proxyhooks"],
            *app.extensions["proxyhooks"].guard.targets.values(),
            load_secrets(app.config),
            current_backend(),
            ConfigOptions(base_url="http://x", allowed_origins=[], secret="the-secret"),
            DoctorOptions(url=parse_backend_url("http://127.0.0.1:1"), secret="the-secret"),
            usage_of((b"the-secret",)),
        ]
    assert not [thing for thing in things if "the-secret" in repr(thing) or "the-secret" in str(thing)]
