"""The test client decides as Centrifugo does under the same configuration, and asks the application about the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.real_centrifugo.pair import Backend, Pair, complete
from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port, server_environment, serving_in_thread

ON = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
LIMITED = {"allow_user_limited_channels": True}
MAP = {"mode": "ephemeral", "key_ttl": "60s"}
MAP_ON = {"subscription_type": "map", "map": MAP | {"publish_proxy_enabled": True, "remove_proxy_enabled": True}}
NAMESPACES: dict[str, dict[str, Any]] = {
    "on": ON,
    "off": {},
    "limited": LIMITED | ON,
    "limited_off": LIMITED,
    "clients": {"allow_subscribe_for_client": True, "allow_publish_for_client": True},
    "anonymous": {
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "allow_publish_for_subscriber": True,
        "allow_publish_for_anonymous": True,
    },
    "both": LIMITED | ON | {"allow_subscribe_for_client": True, "allow_publish_for_client": True},
    "regex": ON | {"channel_regex": r"^([a-z\x{e4}]+|[[:digit:]]\s|[]x])$"},
    "regex_off": {"channel_regex": "^a"},
    "json": ON | {"publication_data_format": "json"},
    "object": ON | {"publication_data_format": "json_object"},
    "binary": ON | {"publication_data_format": "binary"},
    "map": MAP_ON,
    "map_asked": MAP_ON | ON,
    "map_clients": {
        "subscription_type": "map",
        "allow_subscribe_for_client": True,
        "map": MAP | {"allow_publish_for_client": True, "allow_remove_for_client": True},
    },
    "map_subscribers": {
        "subscription_type": "map",
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "map": MAP
        | {
            "client_key": "user_id",
            "allow_publish_for_subscriber": True,
            "allow_publish_for_anonymous": True,
            "allow_remove_for_subscriber": True,
            "allow_remove_for_anonymous": True,
        },
    },
    "map_users": {"subscription_type": "map_users", "map": MAP, "allow_subscribe_for_client": True},
    "poll": ON | {"subscription_type": "shared_poll"},
    "poll_clients": {"subscription_type": "shared_poll", "allow_subscribe_for_client": True},
}
RESTS = (
    "",
    "1",
    "a",
    "x\n",
    "1 ",
    "1\v",
    "]",
    "\u00e4",
    "locked",
    "locked#42",
    "room#7",
    "a#7,42",
    "a#42#7",
    "a#",
    "$a",
)
SYMBOLS = ("", "$", "$a", ":", ":a", "#42", "#7", "on")
CHANNELS = [
    *(f"{namespace}:{rest}" for namespace in NAMESPACES for rest in RESTS),
    *(f"${name}:{rest}" for name in ("on", "limited", "off", "anonymous", "map") for rest in ("1", "\u00e4", "a#42")),
    *(f"{name}:{rest}" for name in ("no", "$no") for rest in ("1", "\u00e4", "a#42")),
    *(*SYMBOLS, "a", "\u00e4", "x" * 255, "x" * 256, "\u00e4" * 128),
    *(f"{namespace}:{'x' * 255}" for namespace in ("on", "off", "no", "map", "poll", "anonymous")),
]
METHODS = ["", "a", "locked", "on:a", "on:locked", "off:a", "no:a", "$on:a", "on::a", ":a", "ping", "\u00e4"]
CONNECTIONS: list[dict[str, list[str]]] = [
    {"channels": ["on:1", "a", "$a", "\u00e4", "off:1", "on:" + "x" * 300]},
    {"channels": ["on:1", "no:1"]},
    {"subs": ["no:1"]},
    {"subs": ["$no:1"]},
    {"subs": ["on:1", "limited:a#7"], "channels": ["on:1"]},
    {"channels": [f"a{number}" for number in range(129)]},
    {"channels": [f"a{number}" for number in range(100)], "subs": [f"a{number}" for number in range(28, 128)]},
]
SWITCHES = (
    *("subscribe_proxy_enabled", "publish_proxy_enabled", "allow_user_limited_channels"),
    *("allow_subscribe_for_client", "allow_subscribe_for_anonymous"),
    *("allow_publish_for_client", "allow_publish_for_subscriber", "allow_publish_for_anonymous"),
)
MAP_SWITCHES = (
    *("publish_proxy_enabled", "remove_proxy_enabled"),
    *("allow_publish_for_client", "allow_publish_for_subscriber", "allow_publish_for_anonymous"),
    *("allow_remove_for_client", "allow_remove_for_subscriber", "allow_remove_for_anonymous"),
)
CASES = int(os.environ.get("PROXYHOOKS_CASES", "1"))
"""How many configurations are generated."""
RPC = {"namespaces": [{"name": "on", "proxy_enabled": True}, {"name": "off"}]}
DEFINED = [{"name": name, **options} for name, options in NAMESPACES.items()]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "usual": {"channel": {"without_namespace": ON, "namespaces": DEFINED}, "rpc": RPC},
    "all off": {"channel": {"namespaces": [{"name": "on"}]}, "rpc": {"ping": {"enabled": True}}},
    "insecure": {
        "client": {"insecure": True},
        "channel": {"namespaces": DEFINED},
        "rpc": {"without_namespace": {"proxy_enabled": True}, "ping": {"enabled": True, "method": "a"}},
    },
    "other symbols": {
        "client": {"channel_limit": 12},
        "channel": {
            "without_namespace": ON | LIMITED,
            "namespaces": DEFINED,
            "private_prefix": "l",
            "namespace_boundary": "d:",
            "user_boundary": "d#",
            "user_separator": "7",
            "max_length": 12,
            "publication_data_format": "json_object",
        },
        "rpc": RPC | {"namespace_boundary": "::"},
    },
    "unset symbols": {
        "channel": {
            "without_namespace": ON | LIMITED,
            "namespaces": DEFINED,
            "private_prefix": "",
            "namespace_boundary": "",
            "user_boundary": "",
            "user_separator": "",
            "max_length": -1,
        },
        "rpc": RPC | {"namespace_boundary": ""},
    },
    "personal": {
        "client": {"subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "on"}},
        "channel": {"namespaces": DEFINED},
    },
}
NO_CONNECT_PROXY: dict[str, dict[str, Any]] = {
    "tokens": {},
    "anonymous": {"allow_anonymous_connect_without_token": True},
    "insecure": {"insecure": True},
}


@pytest.fixture(scope="module")
def backend() -> Backend:
    return Backend()


@pytest.fixture(scope="module")
def backend_port(backend: Backend) -> Iterator[int]:
    with serving_in_thread(backend.app) as port:
        yield port


def generated_namespace(random: Random) -> dict[str, Any]:
    """Random options of a namespace that Centrifugo accepts."""
    options: dict[str, Any] = {option: True for option in SWITCHES if random.random() < 0.3}
    if random.random() < 0.2:
        options["channel_regex"] = random.choice(["^[a-z]+", "[0-9]$", "\u00e4|1"])
    if random.random() < 0.2:
        options["publication_data_format"] = random.choice(["json", "json_object", "binary"])
    if random.random() < 0.5:
        options["map"] = MAP | {option: True for option in MAP_SWITCHES if random.random() < 0.3}
        if not any(option.endswith("proxy_enabled") for option in options["map"]) and random.random() < 0.5:
            options["map"]["client_key"] = random.choice(["user_id", "client_id"])
        options["subscription_type"] = random.choice(["", "map", "map_clients", "map_users"])
    elif random.random() < 0.2:
        options["subscription_type"] = "shared_poll"
    return options


def generated_configuration(random: Random) -> dict[str, Any]:
    namespaces = [{"name": f"n{number}"} | generated_namespace(random) for number in range(10, 50)]
    symbols = {"private_prefix": ["$", "n1"], "namespace_boundary": [":", "::"], "user_boundary": ["#", "a"]}
    channel = {name: random.choice(values) for name, values in symbols.items() if random.random() < 0.2}
    without = generated_namespace(random)
    return {
        "client": {"insecure": random.random() < 0.1, "channel_limit": random.choice([0, 1, 200])},
        "channel": {"without_namespace": without, "namespaces": namespaces, **channel},
        "rpc": {"without_namespace": {"proxy_enabled": random.random() < 0.5}, **random.choice([{}, RPC])},
    }


def operations(channels: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for channel in channels:
        yield "publish", channel, {"data": {}}
        yield "map_publish", channel, {"key": "k", "data": 1}
        yield "subscribe", channel, {}
        # The options for subscribers, and the second subscription.
        yield "publish", channel, {"data": {}}
        yield "map_publish", channel, {"key": "k", "data": 1}
        if channel.endswith(":1"):
            yield "subscribe", channel, {}
            yield "map_publish", channel, {"key": "", "data": 1}
            for data in (None, [1], "a"):
                yield "publish", channel, {"data": data}
            yield "publish", channel, {}
        yield "map_remove", channel, {"key": "k"}
    for method in METHODS:
        yield "rpc", method, {}


def differences(backend: Backend, address: str, config: Path, channels: list[str]) -> tuple[int, list[Any]]:
    """How many operations were compared, and those that the two clients see differently."""
    different: list[Any] = []
    count = 0
    for user in ("42", ""):
        with closing(Pair(backend, address, config, user)) as pair:
            for operation, target, more in operations(channels):
                real, played = pair.ask(operation, target, **more)
                count += 1
                if real != played:
                    different.append((user, operation, target[:30], more, real, played))
                if operation == "map_remove":
                    pair.unsubscribe(target)
    return count, different


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_decides_as_centrifugo_and_asks_the_application_about_the_same(
    backend: Backend, backend_port: int, tmp_path: Path, name: str
) -> None:
    port, config = free_port(), tmp_path / "config.json"
    config.write_text(json.dumps(complete(CONFIGURATIONS[name], backend_port, port)))
    # All channels with the usual configuration; elsewhere enough to meet each of its options.
    channels = CHANNELS if name == "usual" else CHANNELS[::4]
    address = f"127.0.0.1:{port}"
    with running_centrifugo(config, port, tmp_path / "log", env=server_environment()):
        count, different = differences(backend, address, config, channels)
        with closing(Pair(backend, address, config, "42")) as pair:
            for data in CONNECTIONS:
                pair.close()
                real, played = pair.connect(data)
                different += [] if real == played else [("connect", data, real, played)]
    assert count > 900
    assert not different, "\n".join(map(str, different[:40]))


@pytest.mark.parametrize("seed", range(CASES))
def test_it_decides_as_centrifugo_under_generated_configurations(
    backend: Backend, backend_port: int, tmp_path: Path, seed: int
) -> None:
    port, config = free_port(), tmp_path / "config.json"
    configuration = generated_configuration(Random(seed))
    config.write_text(json.dumps(complete(configuration, backend_port, port)))
    names = [namespace["name"] for namespace in configuration["channel"]["namespaces"]]
    channels = [f"{name}:{rest}" for name in names for rest in ("1", "a", "\u00e4", "locked#42", "a#7")]
    channels += [f"${name}:a" for name in names[::5]] + ["a", "#42", "a#7", "n1", "n1:a", "no:1", "x" * 256]
    with running_centrifugo(config, port, tmp_path / "log", env=server_environment()):
        count, different = differences(backend, f"127.0.0.1:{port}", config, channels)
    assert count > 2000
    assert not different, "\n".join(map(str, different[:40]))


@pytest.mark.parametrize("name", NO_CONNECT_PROXY)
def test_a_client_without_a_token_gets_what_centrifugo_gives_it(
    backend: Backend, backend_port: int, tmp_path: Path, name: str
) -> None:
    port, config = free_port(), tmp_path / "config.json"
    configuration = {"client": NO_CONNECT_PROXY[name], "channel": {"namespaces": DEFINED}}
    config.write_text(json.dumps(complete(configuration, backend_port, port, connect=False)))
    with running_centrifugo(config, port, tmp_path / "log", env=server_environment()):
        pair = Pair(backend, f"127.0.0.1:{port}", config, "")
        pair.close()
        for wishes in ((), ("anonymous:1", "clients:1", "on:1", "$off:1", "off:\u00e4", "both:a#"), ("no:1",)):
            real, played = pair.connect({}, wishes)
            pair.close()
            assert real == played, wishes
