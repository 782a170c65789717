"""The table of settings: what each key accepts, what is refused, and how the table is written."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import proxyhooks
from proxyhooks import SetupError
from proxyhooks._settings.master_settings import read_metrics_bind
from proxyhooks._settings.settings import SETTINGS, read_settings
from proxyhooks._settings.table import settings_table
from proxyhooks._settings.worker_settings import read_worker_settings

KEYS = {setting.key: setting for setting in SETTINGS}


def read(**config: Any) -> Any:
    return read_settings({"PROXYHOOKS_SECRETS": ["s3cret"], "SECRET_KEY": 7, **config}, "app")


def test_the_defaults() -> None:
    settings = read()
    assert settings.secrets.values == ("s3cret",)
    assert (settings.timeout, settings.validation_details, settings.fast_path) == (3.0, False, True)
    assert "s3cret" not in repr(settings)


def test_every_key_of_the_configuration_is_read() -> None:
    settings = read(PROXYHOOKS_TIMEOUT=2, PROXYHOOKS_VALIDATION_DETAILS=True, PROXYHOOKS_FAST=False)
    assert (settings.timeout, settings.validation_details, settings.fast_path) == (2.0, True, False)
    assert isinstance(settings.timeout, float)
    settings = read(PROXYHOOKS_LOG_VALIDATION_DETAILS=True, PROXYHOOKS_MAX_PAYLOAD_ITEMS=5)
    assert (settings.log_validation_details, settings.max_payload_items) == (True, 5)
    settings = read(PROXYHOOKS_AFTER_REPLY_THREADS=2, PROXYHOOKS_AFTER_REPLY_QUEUE=3)
    assert (settings.after_reply_threads, settings.after_reply_queue) == (2, 3)
    assert (read().event_log, read(PROXYHOOKS_EVENT_LOG="text").event_log) == (None, "text")
    assert read_settings({"PROXYHOOKS_INSECURE": True}, "app").secrets.values == ()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("PROXYHOOKS_INSECURE", "yes", "must be True or False, not 'yes'"),
        ("PROXYHOOKS_AFTER_REPLY_THREADS", 0, "must be a whole number of threads above 0, such as 8, not 0"),
        ("PROXYHOOKS_AFTER_REPLY_THREADS", True, "must be a whole number of threads above 0, such as 8, not True"),
        ("PROXYHOOKS_AFTER_REPLY_QUEUE", "9", "must be a whole number of calls above 0, such as 1000, not '9'"),
        ("PROXYHOOKS_EVENT_LOG", "JSON", "must be 'text' or 'json', not 'JSON'"),
        ("PROXYHOOKS_EVENT_LOG", True, "must be 'text' or 'json', not True"),
        ("PROXYHOOKS_EVENT_LOG", "a secret by mistake", "must be 'text' or 'json', not a text of length 19"),
        ("PROXYHOOKS_FAST", 1, "must be True or False, not 1"),
        ("PROXYHOOKS_FAST", None, "must be True or False, not None"),
        ("PROXYHOOKS_VALIDATION_DETAILS", "false", "must be True or False, not 'false'"),
        ("PROXYHOOKS_VALIDATION_DETAILS", 0, "must be True or False, not 0"),
        ("PROXYHOOKS_TIMEOUT", "3s", "must be a number of seconds above 0, such as 3 or 0.5, not '3s'"),
        ("PROXYHOOKS_SECRETS_FILE", 7, "must be the path of a file, not a value of type int"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_would_be_right(key: str, value: object, text: str) -> None:
    with pytest.raises(SetupError, match=f"^{key} {re.escape(text)}$"):
        read(**{key: value})


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("PROXYHOOKS_TIMEOUTS", "PROXYHOOKS_TIMEOUT"),
        ("PROXYHOOKS_SECRET", "PROXYHOOKS_SECRETS"),
        ("PROXYHOOKS_VALIDATION", "PROXYHOOKS_VALIDATION_DETAILS"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key: str, nearest: str) -> None:
    with pytest.raises(SetupError, match=rf"^app\.config has the unknown key {key}: did you mean {nearest}\?$"):
        read(**{key: True})


@pytest.mark.parametrize("key", ["PROXYHOOKS_KEEPALIVE_TIME", "PROXYHOOKS_METRICS_BIND"])
def test_a_key_of_the_environment_does_nothing_in_the_configuration_and_is_refused(key: str) -> None:
    with pytest.raises(SetupError, match=f"{key} is an environment variable of gunicorn's processes: "):
        read(**{key: 30})


def test_the_argument_is_checked_as_the_list_of_the_configuration() -> None:
    assert read_settings({}, "app", ["a", "b"]).secrets.values == ("a", "b")
    with pytest.raises(SetupError, match=r"^secrets must be a list of the accepted values .* not an empty list$"):
        read_settings({}, "app", [])


@pytest.mark.parametrize(("text", "seconds"), [(None, 30.0), ("", 30.0), ("0", 0.0), ("0.5", 0.5), ("45", 45.0)])
def test_the_keepalive_time_comes_from_the_environment(
    text: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.delenv("PROXYHOOKS_KEEPALIVE_TIME", raising=False)
    else:
        monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", text)
    assert read_worker_settings().keepalive_time == seconds


@pytest.mark.parametrize("text", ["30s", "-1", "nan", "inf", "1 hour"])
def test_a_keepalive_time_that_is_no_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYHOOKS_KEEPALIVE_TIME", text)
    expected = "PROXYHOOKS_KEEPALIVE_TIME must be a number of seconds such as 30, or 0 for no limit, not "
    with pytest.raises(SetupError, match=f"^{expected}'{text}'$"):
        read_worker_settings()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("127.0.0.1:9070", ("127.0.0.1", 9070)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("0.0.0.0:09070", ("0.0.0.0", 9070)),
    ],
)
def test_the_address_of_metrics_is_host_and_port(text: str, address: tuple[str, int] | None) -> None:
    assert read_metrics_bind({"PROXYHOOKS_METRICS_BIND": text}) == address


@pytest.mark.parametrize(
    "text", ["9070", ":9070", "127.0.0.1", "::1:9070", "127.0.0.1:0", "a:65536", "http://a:1", "on"]
)
def test_an_address_of_metrics_without_host_or_port(text: str) -> None:
    expected = "PROXYHOOKS_METRICS_BIND must be an address such as 127.0.0.1:9070 or [::]:9070, not "
    with pytest.raises(SetupError, match=f"^{re.escape(expected)}"):
        read_metrics_bind({"PROXYHOOKS_METRICS_BIND": text})


def test_metrics_without_prometheus_client_are_a_setup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    expected = "PROXYHOOKS_METRICS_BIND is set, and prometheus-client is not installed: run pip install 'proxyhooks[m"
    with pytest.raises(SetupError, match=f"^{re.escape(expected)}"):
        read_metrics_bind({"PROXYHOOKS_METRICS_BIND": "127.0.0.1:9070"})
    assert read_metrics_bind({}) is None


def test_the_table_has_a_row_for_every_setting() -> None:
    head, line, *rows = settings_table().splitlines()
    assert (head, line) == ("| key | type | default | meaning |", "|---|---|---|---|")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0].split("`")[1] for row in cells] == list(KEYS)
    assert {len(row) for row in cells} == {4}
    assert {row[2] for row in cells} == {
        "none",
        "`False`",
        "`True`",
        "`3`",
        "`30`",
        "`8`",
        "`1000`",
        "`/livez`",
        "`/readyz`",
    }
    for setting, row in zip(SETTINGS, cells, strict=True):
        assert ("environment variable" in row[0]) == (setting.source == "environment")
        assert row[3].endswith(".")
        assert "`" not in setting.must_be


def test_no_other_module_reads_a_key() -> None:
    """Elsewhere a key stands only within a text, never alone, as what is looked up."""
    package = Path(proxyhooks.__file__).parent
    tables = {package / "_settings" / name for name in ("settings.py", "worker_settings.py", "master_settings.py")}
    for path in set(package.rglob("*.py")) - tables:
        constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        assert not {value for value in constants if isinstance(value, str)} & set(KEYS), path
