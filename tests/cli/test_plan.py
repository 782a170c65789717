"""``flask centrifugo plan``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from proxyhooks import ConnectResult, ProxyHooks, PublishResult, RPCResult, SharedPollRefreshResult
from proxyhooks.cli.plan import command

CLIENTS = ("--clients", "1e4")


def plan(*arguments: str, app: Flask | None = None) -> tuple[int, str, str]:
    def load() -> Flask:
        if app is None:
            raise NoAppException("there is none")
        return app

    result = CliRunner().invoke(command, arguments, obj=ScriptInfo(create_app=load))
    return result.exit_code, result.stdout, result.stderr


def planned(*arguments: str, app: Flask | None = None) -> Any:
    code, output, errors = plan(*arguments, "--format", "json", app=app)
    assert code == 0, errors
    return json.loads(output)


@pytest.fixture
def app() -> Flask:
    """An application with hooks for connect, publish, rpc and shared polls."""
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s3cret"])
    hooks.connect(lambda req: ConnectResult(user=""))
    hooks.publish(lambda req: PublishResult())
    hooks.rpc(lambda req: RPCResult())
    hooks.shared_poll_refresh(lambda req: SharedPollRefreshResult(items=[]))
    return app


def test_it_needs_no_application() -> None:
    code, output, errors = plan("--clients", "1e6", "--subscriptions", "5", "--expire", "10m", "--cores", "100")
    assert code == 0
    table, facts = output.split("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == ["CALLS", "connect", "subscribe", "refresh", "total"]
    assert [line.split()[0] for line in facts.splitlines()] == [
        "clients", "backend", "connections", "Centrifugo", "rate",
    ]  # fmt: skip
    assert "connect         556     6,380\n" in output
    assert "all of them are connected again after 2m48s, at 6,380 connections a second\n" in output
    assert "6,380 new connections a second, 638 for each node; without a limit 2,000,000 a second try\n" in output
    assert errors.startswith("note: clients that reconnected together refresh together")


def test_the_json_has_what_the_text_has() -> None:
    made = planned(*CLIENTS, "--cores", "10", "--nodes", "2")
    assert made["connections_per_second"] == 2 * made["connection_rate_limit"] == 2000
    assert (made["cores"], made["nodes"], made["clients_per_node"], made["open_files"]) == (10, 2, 10_000, 32_768)
    assert made["unlimited_attempts"] == 20_000
    assert made["reconnect_seconds"] == pytest.approx(11)
    assert made["reconnect_utilization"] == pytest.approx(0.8)
    assert made["normal_utilization"] < 0.01
    assert made["idle_connections"] == 255 * 2 * 2  # for each node and event


def test_one_node_has_all_clients() -> None:
    assert "\nCentrifugo  1 node with 10,000 clients: LimitNOFILE=32768, 552 MiB\n" in plan(*CLIENTS, "--nodes", "1")[1]


def test_one_of_a_thing_is_singular() -> None:
    text = plan("--clients", "1", "--nodes", "1", "--calls-per-core", "1", "--cores", "3")[1]
    assert "\nbackend     3 cores with 1 call a second each;" in text
    assert "at 1 connection a second\n" in text
    assert "\nCentrifugo  1 node with 1 client: " in text
    assert "\nrate limit  1 new connection a second, " in text
    assert "if one fails, 1 client on each other" in plan("--clients", "1")[1]


def test_the_connections_to_the_backend_follow_from_the_time_of_a_call() -> None:
    text = plan(*CLIENTS, "--cores", "10", "--nodes", "2")[1]
    assert "\nconnections to the backend: 400 while all reconnect, if a call takes 0.1 s; up to 1,020 stay open" in text


def test_small_numbers_are_not_shown_as_none() -> None:
    output = plan("--clients", "50", "--session", "1h")[1]
    assert "connect         0.014   50\n" in output
    assert "1 core with 500 calls a second each" in output


def test_only_events_with_hooks_count_and_others_have_a_note(app: Flask) -> None:
    made = planned(*CLIENTS, "--subscriptions", "5", "--expire", "10m", "--rpc-every", "1m", app=app)
    assert made["normal_calls"].keys() == {"connect", "rpc"}
    assert made["notes"] == [
        "--expire has no effect: the application has no refresh hook",
        "publish: not counted; --publish-every says how often",
        "shared_poll_refresh: not counted; its rate depends on Centrifugo's configuration and the data",
    ]


def test_a_reconnect_without_calls_has_a_note() -> None:
    app = Flask("app")
    ProxyHooks(app, secrets=["s3cret"]).rpc(lambda req: RPCResult())
    assert planned(*CLIENTS, "--rpc-every", "1m", app=app)["notes"][0].startswith("nothing calls the backend")


@pytest.mark.parametrize(
    ("text", "clients"),
    [("1200", 1200), ("1e6", 1_000_000), ("1.5M", 1_500_000), ("20k", 20_000), ("1_000", 1000), ("1,000", 1000)],
)
def test_numbers_are_written_as_people_write_them(text: str, clients: int) -> None:
    assert planned("--clients", text)["clients"] == clients


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "Missing option '--clients'"),
        (
            ("--clients", "many"),
            "'many' is not a whole number that is more than 0 and at most 1e12: write 200, 20k, 1.5M or 1e6",
        ),
        (("--clients", "0"), "'0' is not a whole number that is more than 0"),
        (("--clients", "-1"), "'-1' is not"),
        (("--clients", "nan"), "'nan' is not"),
        (("--clients", "1.5"), "'1.5' is not a whole number"),
        (("--clients", "1e99"), "'1e99' is not a whole number that is more than 0 and at most 1e12"),
        (("--clients", "10x"), "'10x' is not a whole number"),
        (("--clients", "1,5"), "'1,5' is not a whole number"),
        ((*CLIENTS, "--calls-per-core", "0"), "'0' is not a number that is more than 0"),
        ((*CLIENTS, "--subscriptions", "x"), "'x' is not a number that is at least 0"),
        ((*CLIENTS, "--expire", "10"), "'10' is not a duration that is more than 0: write it as Centrifugo does"),
        ((*CLIENTS, "--expire", "0s"), "'0s' is not a duration that is more than 0"),
        ((*CLIENTS, "--session", "-1m"), "'-1m' is not a duration"),
        ((*CLIENTS, "--back-within", "1s"), "it must be at least 2s: SDKs wait for up to 1s at first"),
        ((*CLIENTS, "--back-within", "1m", "--cores", "2"), "use one"),
        ((*CLIENTS, "--rpc-every", "1s", "--cores", "2"), "use at least 41 cores"),
        (
            ("--clients", "1", "--cores", "1", "--calls-per-core", "1"),
            "too few cores: with 1, 0.8 calls a second are possible; there are 0 in normal operation, and 2 for each",
        ),
        ((*CLIENTS, "--nodes", "0"), "'0' is not a whole number that is more than 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(arguments: tuple[str, ...], error: str) -> None:
    code, output, errors = plan(*arguments)
    assert (code, output) == (2, "")
    assert error in " ".join(errors.split())


def test_an_application_that_is_named_and_cannot_be_loaded_is_an_error() -> None:
    result = CliRunner().invoke(command, CLIENTS, obj=ScriptInfo(app_import_path="no_such_module_of_mine"))
    assert result.exit_code == 2
    assert "no_such_module_of_mine" in result.stderr
