"""README.md: short enough, and everything in it works from an empty folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from proxyhooks import errors
from proxyhooks.testing import ProxyClient
from tests.docs import document
from tests.docs.markdown import FILES, REPOSITORY, ROOT, blocks, links, read
from tests.docs.package import CENTRIFUGO, COMMANDS
from tests.docs.shell import Shell

README = "README.md"
LINES = 260
Ask = Callable[..., Any]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path) as shell:
        yield shell


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application of the README."""
    monkeypatch.setenv("FLASK_PROXYHOOKS_SECRETS", '["change me"]')
    names: dict[str, Any] = {"__name__": "app"}
    for block in blocks(README):
        if block.file_name == "app.py":
            exec(compile(block.text, block.place, "exec", dont_inherit=True), names)
    app: Flask = names["app"]
    return app


@pytest.fixture
def ask(app: Flask) -> Ask:
    def ask(path: str, **fields: Any) -> Any:
        return app.test_client().post(path, json=fields, headers={"X-Proxyhooks-Secret": "change me"}).json

    return ask


def test_it_is_short() -> None:
    assert len(read(README).splitlines()) <= LINES


def test_its_links_work_on_other_sites() -> None:
    assert all(link.startswith("https://") for link in links(README))


def test_the_first_hook_has_about_ten_lines() -> None:
    first = next(block for block in blocks(README) if block.file_name == "app.py")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 10


def test_every_command_works_from_an_empty_folder(shell: Shell) -> None:
    document.run(README, shell, centrifugo=CENTRIFUGO)
    status, output = shell.run("python -m pytest -q -p no:cacheprovider test_app.py")
    assert status == 0, output


def test_what_is_installed_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(re.findall(rf"{project['name']}\[(\w+)\]", read(README)))
    assert {"gunicorn", "fast"} <= extras <= project["optional-dependencies"].keys()
    for program in ("deploy/quickstart", "tests/run"):
        assert f"`{program}`" in read(README)
        assert (ROOT / program).stat().st_mode & 0o111


def test_the_hooks_answer_as_they_say(ask: Ask) -> None:
    connect = "/centrifugo/connect"
    assert ask(connect, data={"password": "tea"}) == {"result": {"user": "42", "data": {"hello": "42"}}}
    assert ask(connect, data={"password": "x"}) == {"disconnect": {"code": 4501, "reason": "unauthorized"}}
    assert list(ask("/centrifugo/refresh", user="42")["result"]) == ["expire_at"]
    subscribe = "/centrifugo/subscribe"
    assert ask(subscribe, user="42", channel="chat:7") == {"result": {"data": {"members": 2}}}
    assert ask(subscribe, user="1", channel="chat:7")["error"]["code"] == 103
    assert ask(subscribe, user="42", channel="chat:07")["error"]["code"] == 102
    publish = "/centrifugo/publish"
    expected = {"result": {"data": {"text": "hi", "from": "42"}}}
    assert ask(publish, user="42", channel="chat:7", data={"text": "hi"}) == expected
    assert ask(publish, user="42", channel="chat:7", data={"text": ""})["error"]["code"] == 107
    assert ask(publish, user="1", channel="chat:7", data={"text": "hi"})["error"]["code"] == 103
    rpc = "/centrifugo/rpc"
    assert ask(rpc, user="43", method="order", data="assam") == {"result": {"data": {"tea": "assam", "for": "43"}}}
    sold_out = {"error": {"code": 1001, "message": "sold out", "temporary": True}}
    assert ask(rpc, user="44", method="order", data="matcha") == sold_out
    assert ask(rpc, user="44", method="x")["error"]["code"] == 104


def test_every_command_has_a_line() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", read(README), re.MULTILINE)
    assert rows == list(COMMANDS)


def test_a_wrong_password_is_final(app: Flask) -> None:
    client = ProxyClient(app)
    refused = client.connect({"password": "coffee"})
    assert (refused.code, refused.comes_back) == (4501, False)
    assert client.connect({"password": "tea"}).allowed
    assert client.rpc("order", "matcha").code == 1001
    assert client.subscribe("chat:8").refused_with(errors.PermissionDenied)


def test_the_repository_is_the_same_everywhere() -> None:
    addresses = {
        address for file in FILES for address in re.findall(r"https://github\.com/[\w.-]+/proxyhooks", read(file))
    }
    assert addresses == {REPOSITORY}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(url.startswith(REPOSITORY) for url in project.get("urls", {}).values())
