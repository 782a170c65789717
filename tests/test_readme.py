"""README: its code runs, its tables are those of the package, its configuration is one that Centrifugo takes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import disconnects, errors
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal, error_is_terminal
from proxyhooks.centrifugo.config.findings import FINDINGS
from proxyhooks.centrifugo.replies.warnings import WARNINGS
from proxyhooks.cli import _COMMANDS, centrifugo
from tests.support.centrifugo import centrifugo_binary
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def between(comment: str) -> str:
    """What stands between a comment and the next blank line after its table."""
    found = re.search(rf"<!-- {comment} -->\n\n(.*?)\n\n", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["change me"]')
    names: dict[str, Any] = {"__name__": "app"}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    return names


def test_the_code_runs_and_does_what_it_says(namespace: dict[str, Any]) -> None:
    app: Flask = namespace["app"]

    def ask(path: str, **fields: Any) -> Any:
        return app.test_client().post(path, json=fields, headers={"X-Proxyhooks-Secret": "change me"}).json

    connect = "/centrifugo/connect"
    assert ask(connect, data={"password": "tea"}) == {"result": {"user": "42"}}
    assert ask(connect, data={"password": "x"}) == {"disconnect": {"code": 4501, "reason": "unauthorized"}}
    assert list(ask("/centrifugo/refresh", user="42")["result"]) == ["expire_at"]
    namespace["test_speak"]()
    subscribe = "/centrifugo/subscribe"
    assert ask(subscribe, user="42", channel="chat:7") == {"result": {"data": {"members": 1}}}
    assert ask(subscribe, user="1", channel="chat:7")["error"]["code"] == 103
    assert ask(subscribe, user="42", channel="chat:07")["error"]["code"] == 102
    publish = "/centrifugo/publish"
    expected = {"result": {"data": {"text": "hi", "from": "42"}}}
    assert ask(publish, user="42", channel="chat:7", data={"text": "hi"}) == expected
    assert ask(publish, user="42", channel="chat:7", data={"text": ""})["error"]["code"] == 107
    rpc = "/centrifugo/rpc"
    assert ask(rpc, user="43", method="join") == {"result": {"data": {"joined": 7}}}
    full = {"error": {"code": 1001, "message": "room is full", "temporary": True}}
    assert ask(rpc, user="44", method="join") == full
    assert ask(rpc, user="42", method="rooms.list") == {"result": {"data": [7]}}
    assert ask("/plain/rpc", method="ping") == {"result": {"data": "pong"}}
    assert ask("/plain/rpc", method="x")["error"]["code"] == 104


def test_the_first_hook_has_about_ten_lines() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 10


def test_the_table_of_errors() -> None:
    rows = [
        "| code | class in `errors` | message | temporary | on connect and subscribe the client |",
        "|---|---|---|---|---|",
    ]
    for code, builtin in ERRORS.items():
        temporary = "yes" if builtin.temporary else ""
        then = "gives up" if error_is_terminal(code, builtin.temporary) else "tries again"
        then = "asks for a new token" if code == 109 else then
        rows.append(f"| {code} | `{errors.by_code(code).__name__}` | {builtin.message} | {temporary} | {then} |")
    assert between("errors") == "\n".join(rows)


def test_the_table_of_disconnects() -> None:
    rows = ["| code | class in `disconnects` | reason | the client |", "|---|---|---|---|"]
    for code, reason in DISCONNECTS.items():
        then = "stays away" if disconnect_is_terminal(code) else "comes back"
        then = "comes back; cannot be raised: Centrifugo tells it nothing" if code == 3000 else then
        rows.append(f"| {code} | `{disconnects.by_code(code).__name__}` | {reason} | {then} |")
    assert between("disconnects") == "\n".join(rows)


def test_the_table_of_proxies() -> None:
    rows = ["| event | proxy |", "|---|---|"]
    rows += [f"| {event.name} | `{event.proxy}` |" for event in EVENTS.values()]
    assert between("proxies") == "\n".join(rows)


def test_the_table_of_warnings() -> None:
    rows = ["| id | |", "|---|---|", *(f"| `{id_}` | {meaning} |" for id_, meaning in WARNINGS.items())]
    assert between("warnings") == "\n".join(rows)


def test_the_table_of_findings() -> None:
    rows = ["| id | level | |", "|---|---|---|"]
    rows += [f"| {id_} | {level} | {meaning} |" for id_, (level, meaning) in FINDINGS.items()]
    assert between("findings") == "\n".join(rows)


def test_the_configuration_is_the_one_that_is_written(namespace: dict[str, Any]) -> None:
    words = ["config", "--base-url", "http://127.0.0.1:8070"]
    words += ["--allowed-origin", "https://example.com", "--allowed-origin", "http://localhost:5000"]
    written = namespace["app"].test_cli_runner().invoke(centrifugo, words)
    assert written.exit_code == 0
    assert blocks("json") == [written.stdout]
    assert written.stderr in README


def test_the_contract_is_the_one_that_is_written(namespace: dict[str, Any]) -> None:
    written = namespace["app"].test_cli_runner().invoke(centrifugo, ["export", "typescript"]).stdout
    (shown,) = blocks("typescript")
    for part in shown.split("// ...\n"):
        for block in part.strip().split("\n\n"):
            assert block in written


def test_every_command_is_there(namespace: dict[str, Any]) -> None:
    chapter = README.partition("## From the shell")[2].partition("\n## ")[0]
    for name in _COMMANDS:
        assert f"`{name}`" in chapter


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in README.splitlines()}
    for anchor in re.findall(r"\]\(#([^)]+)\)", README):
        assert anchor in headings


def test_the_configuration_is_json_with_a_proxy_for_every_hook(namespace: dict[str, Any]) -> None:
    (block,) = blocks("json")
    paths = re.findall(r"http://127.0.0.1:8070(/centrifugo/\w+)", block)
    assert sorted(paths) == [f"/centrifugo/{name}" for name in ("connect", "publish", "refresh", "rpc", "subscribe")]
    json.loads(block)


@pytest.mark.centrifugo
def test_centrifugo_takes_the_configuration(tmp_path: Path) -> None:
    (block,) = blocks("json")
    (tmp_path / "config.json").write_text(block)
    command = [centrifugo_binary(), "checkconfig", "-s", "-c", str(tmp_path / "config.json")]
    environ = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "x"}
    found = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
