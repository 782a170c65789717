"""The keys of Centrifugo's configuration, and what the package knows about each."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.keys import PRO_KEYS, default_of, key_at, root_keys, setting, variables
from proxyhooks.centrifugo.go.duration import Duration
from tests.centrifugo.config.reading.differential.comparing import different_values
from tests.centrifugo.config.write_keys import KEYS_FILE, as_text, keys_of
from tests.support.centrifugo import centrifugo_binary


@pytest.mark.centrifugo
def test_the_data_file_has_what_centrifugo_documents() -> None:
    assert KEYS_FILE.read_text() == as_text(keys_of(centrifugo_binary()))


@pytest.mark.centrifugo
def test_the_defaults_are_those_of_centrifugo() -> None:
    command = [centrifugo_binary(), "defaultconfig", "-c", "x.json", "--dry-run"]
    written = subprocess.run(command, capture_output=True, text=True, check=True, env={}, timeout=300).stdout
    assert different_values(json.loads(written), {}, {}) == []


@pytest.mark.centrifugo
def test_the_variables_are_those_of_centrifugo() -> None:
    written = subprocess.run(
        [centrifugo_binary(), "defaultenv"], capture_output=True, text=True, check=True, env={}, timeout=300
    ).stdout
    theirs = {line.partition("=")[0] for line in written.splitlines()}
    assert {name for name, path, _ in variables(root_keys()) if not PRO_KEYS.intersection(path)} == theirs


def test_every_key_of_a_proxy_and_of_a_switch_is_known() -> None:
    for event in EVENTS.values():
        assert key_at(f"{event.proxy}.endpoint") is not None
        for option in filter(None, (event.option, event.proxy_name_option)):
            assert key_at(f"{event.section}.namespaces[0].{option}") is not None
            assert key_at(f"{event.section}.without_namespace.{option}") is not None


DEFAULTS: list[tuple[str, Any]] = [
    ("client.proxy.connect.timeout", Duration(1_000_000_000)),
    ("client.proxy.connect.enabled", False),
    ("client.proxy.connect.http.static_headers", {}),
    ("client.concurrency", 0),
    ("channel.max_length", 255),
    ("channel.private_prefix", "$"),
    ("channel.namespaces", []),
    ("channel.namespaces[].subscribe_proxy_name", "default"),
    ("channel.namespaces[3].history_ttl", Duration(0)),
    ("engine.redis.address", ["redis://127.0.0.1:6379"]),
]


@pytest.mark.parametrize(("path", "default"), DEFAULTS)
def test_a_key_has_its_default(path: str, default: Any) -> None:
    assert default_of(path) == default


def test_a_key_that_centrifugo_does_not_have_has_no_default() -> None:
    assert key_at("client.unknown") is None
    with pytest.raises(KeyError, match=r"client\.unknown"):
        default_of("client.unknown")


def test_a_setting_is_the_value_in_the_tree_or_the_default() -> None:
    config: dict[str, Any] = {"channel": {"max_length": 10}}
    assert setting(config, "channel.private_prefix") == "$"
    assert setting(config, "channel.max_length") == 10
    assert setting({}, "publish_proxy_name", within="channel.namespaces[]") == "default"
