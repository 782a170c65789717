"""``flask centrifugo check``, in the process of the test."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import flask
import pytest
from click.testing import Result

from proxyhooks import ConnectResult, ProxyHooks
from proxyhooks.cli import centrifugo as commands
from tests.support.paths import SECRET

URL = "http://127.0.0.1:8070/centrifugo/connect"
HEADERS = {"X-Proxyhooks-Secret": SECRET, "Idempotency-Key": "proxyhooks"}
CONNECT = {"enabled": True, "endpoint": URL, "timeout": "3s", "http": {"static_headers": HEADERS}}
GOOD = {"client": {"allowed_origins": ["*"], "proxy": {"connect": CONNECT}}}
"""A configuration without findings."""


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the programs of the test, and no variables of Centrifugo."""
    for name in [name for name in os.environ if name.startswith(("CENTRIFUGO", "GUNICORN"))]:
        monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


def check(directory: Path, config: dict[str, Any], *options: str) -> Result:
    app = flask.Flask(__name__)
    app.config["PROXYHOOKS_SECRETS"] = [SECRET]
    hooks = ProxyHooks(app)
    hooks.connect(lambda req: ConnectResult(user="42"))
    (directory / "config.json").write_text(json.dumps(config))
    return app.test_cli_runner().invoke(commands, ["check", str(directory / "config.json"), *options])


def fake_centrifugo(path: Path, refusal: str = "", version: str = "6.9.1") -> str:
    """A program that says so of every configuration."""
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = version ]; then echo "Centrifugo v{version} (Go version: go1)"; exit; fi\n'
        f"printf '%s\\n' '{refusal}'\nexit {int(bool(refusal))}\n"
    )
    path.chmod(0o700)
    return str(path)


def test_a_good_configuration_has_no_findings(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD)
    assert (result.output, result.exit_code) == (f"{tmp_path / 'config.json'}: no findings\n", 0)


def test_centrifugo_on_the_path_is_asked(tmp_path: Path) -> None:
    fake_centrifugo(tmp_path / "bin" / "centrifugo", "error validating config: a reason")
    result = check(tmp_path, GOOD)
    assert "PH032 error file\n    Centrifugo v6.9.1 says: a reason\n" in result.output
    assert result.exit_code == 1
    (finding,) = json.loads(check(tmp_path, GOOD, "--format", "json").stdout)
    assert (finding["id"], finding["level"], finding["path"]) == ("PH032", "error", "")


def test_the_centrifugo_that_is_named_is_asked(tmp_path: Path) -> None:
    fake_centrifugo(tmp_path / "bin" / "centrifugo")
    program = fake_centrifugo(tmp_path / "other", "error validating config: a reason")
    assert check(tmp_path, GOOD).exit_code == 0
    assert "says: a reason" in check(tmp_path, GOOD, "--centrifugo", program).output


def test_no_centrifugo_is_asked_if_none_is_wanted(tmp_path: Path) -> None:
    program = fake_centrifugo(tmp_path / "bin" / "centrifugo", "error validating config: a reason")
    assert check(tmp_path, GOOD, "--no-centrifugo").exit_code == 0
    both = check(tmp_path, GOOD, "--no-centrifugo", "--centrifugo", program)
    assert (both.exit_code, "exclude each other" in both.output) == (2, True)


def test_the_finding_of_centrifugo_can_be_ignored(tmp_path: Path) -> None:
    fake_centrifugo(tmp_path / "bin" / "centrifugo", "error validating config: a reason")
    assert check(tmp_path, GOOD, "--ignore", "PH032").exit_code == 0


def test_centrifugos_words_show_no_secret(tmp_path: Path) -> None:
    fake_centrifugo(tmp_path / "bin" / "centrifugo", f"error validating config: mode {SECRET} is unknown")
    for options in ([], ["--format", "json"]):
        output = check(tmp_path, GOOD, *options).output
        assert SECRET not in output
        assert "mode *** is unknown" in output


def test_another_version_of_centrifugo_is_named(tmp_path: Path) -> None:
    fake_centrifugo(tmp_path / "bin" / "centrifugo", version="5.4.9")
    result = check(tmp_path, GOOD)
    assert result.exit_code == 0
    assert "is Centrifugo v5.4.9, and these findings are about v6.9" in result.stderr
    assert "no findings" in result.stdout


def test_a_program_that_is_not_centrifugo_is_an_error_only_if_it_is_named(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "centrifugo"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o700)
    found = check(tmp_path, GOOD)
    assert (found.exit_code, "Centrifugo was not asked" in found.stderr) == (0, True)
    named = check(tmp_path, GOOD, "--centrifugo", str(program))
    assert (named.exit_code, "which version" in named.stderr) == (1, True)
    missing = check(tmp_path, GOOD, "--centrifugo", "/no/such/program")
    assert (missing.exit_code, "is no program" in missing.stderr) == (2, True)


def test_a_secret_in_a_wrong_place_is_not_shown(tmp_path: Path) -> None:
    odd = {
        "channel": {"namespaces": [{"name": "chat", "map": {"mode": SECRET}, "subscribe_proxy_name": SECRET}]},
        "broker": {"type": SECRET},
        "http_server": {"port": SECRET},
        "client": GOOD["client"]
        | {
            "allowed_origins": [f"https://{SECRET}/"],
            "token": {"user_id_claim": f"{SECRET}!"},
            "proxy": {"connect": CONNECT | {"endpoint": f"htp://user:{SECRET}@host", "timeout": SECRET}},
        },
    }
    for options in ([], ["--format", "json"]):
        result = check(tmp_path, odd, "--base-url", "http://127.0.0.1:8070", *options)
        assert result.exit_code == 1
        assert SECRET not in result.output
        for id_ in ("PH006", "PH018", "PH029", "PH031", "PH035"):
            assert id_ in result.output


def test_a_secret_in_a_file_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"http_api:\n  key: *{SECRET}\n")
    result = check(tmp_path, GOOD, "--running", str(tmp_path / "config.yaml"))
    assert result.exit_code == 1
    assert "found undefined alias (at line 2" in result.output
    assert SECRET not in result.output


@pytest.mark.parametrize(("arguments", "status"), [("", 0), ("-k sync --threads 1", 1)])
def test_the_worker_of_gunicorns_arguments_decides_about_long_timeouts(
    arguments: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    config = {"client": GOOD["client"] | {"proxy": {"connect": CONNECT | {"timeout": "90s"}}}}
    result = check(tmp_path, config, "--ignore", "PH028")
    assert (result.exit_code, "PH011" in result.output) == (status, bool(status))


@pytest.mark.parametrize(
    "config",
    [
        {"http_api": "operators-secret"},
        {"client": {"token": "operators-secret"}},
        {"client": {"concurrency": f"operators-secret{SECRET * 2}"}},
        {"http_server": {"tls": {"enabled": "the-operators-secret"}}},
        {"client": {"proxy": {"connect": {"enabled": True, "endpoint": "http://u:p/operators-secret@h/connect"}}}},
        {"client": {"proxy": {"connect": {"enabled": True, "endpoint": "u:operators-secret@h/connect"}}}},
    ],
)
def test_a_secret_in_place_of_another_value_is_not_shown(tmp_path: Path, config: dict[str, Any]) -> None:
    result = check(tmp_path, config)
    assert result.exit_code == 1
    assert "operators-secret" not in result.output
    assert SECRET[:10] not in result.output


def test_a_broken_list_in_a_variable_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """'[{"name":"other","http":{"static_headers":{"X-Key":"operators-secret"}}}]'"""
    monkeypatch.setenv("CENTRIFUGO_PROXIES", text)  # as an env_file of Docker has it, with its quotes
    result = check(tmp_path, GOOD)
    assert "write JSON from [ to ], without quotes around it" in result.output
    assert "operators-secret" not in result.output


def test_a_base_url_that_is_none_is_refused(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD, "--base-url", "app:8000")
    assert result.exit_code == 2
    assert "--base-url must be the root of the application, such as http://127.0.0.1:8070" in result.output
