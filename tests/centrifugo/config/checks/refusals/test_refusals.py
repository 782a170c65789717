"""What Centrifugo's validation refuses: names, references, words, and options that do not go together."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.config.checks import refused_by_centrifugo
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading import read_tree
from tests.centrifugo.config.checks.refusals.mutations import changed, good, random_changes, single_changes
from tests.support.centrifugo import centrifugo_binary

CASES = int(os.environ.get("PROXYHOOKS_CASES") or 40)
"""Configurations that are compared with what Centrifugo says; from 1000 on, each change alone is compared too."""
BATCH = 200
"""Configurations of one test."""
SINGLE_CHANGES = single_changes()
PERSONAL = "client.subscribe_to_user_personal_channel"
TRANSFORM = "client.proxy.connect.http.status_to_code_transforms.0"
CHAT, BOARD, CLIENTS, POLL = (f"channel.namespaces.{index}" for index in (0, 3, 4, 6))


def refusals(*changes: tuple[str, Any]) -> list[Finding]:
    reading = read_tree(changed(*changes), {})
    assert reading.findings == ()
    return refused_by_centrifugo(reading.config)


REFUSED: list[tuple[str, list[tuple[str, Any]], str, str]] = [
    # names
    ("a name of one letter", [(f"{CHAT}.name", "c")], "PH016", "channel.namespaces[0].name"),
    ("a name with a space", [("rpc.namespaces.0.name", "a b")], "PH016", "rpc.namespaces[0].name"),
    ("no name", [("proxies.1.name", "")], "PH016", "proxies[1].name"),
    ("the name default", [("proxies.1.name", "default")], "PH016", "proxies[1].name"),
    ("a dot in a consumer's name", [("consumers.0.name", "a.b")], "PH016", "consumers[0].name"),
    ("a proxy twice", [("proxies.1.name", "shop")], "PH016", "proxies[1].name"),
    ("a namespace twice", [(f"{POLL}.name", "chat")], "PH016", "channel.namespaces[6].name"),
    ("a consumer twice", [("consumers.1.name", "outbox")], "PH016", "consumers[1].name"),
    ("an rpc namespace twice", [("rpc.namespaces", [{"name": "ab"}] * 2)], "PH016", "rpc.namespaces[1].name"),
    # references
    ("an unknown proxy", [(f"{CHAT}.publish_proxy_name", "none")], "PH018", "channel.namespaces[0].publish_proxy_name"),
    ("an unknown rpc proxy", [("rpc.without_namespace.proxy_name", "x")], "PH018", "rpc.without_namespace.proxy_name"),
    ("an unknown map proxy", [(f"{BOARD}.map.remove_proxy_name", "x")], "PH018",
     "channel.namespaces[3].map.remove_proxy_name"),
    ("an unknown poll proxy", [(f"{POLL}.shared_poll.proxy_name", "x")], "PH018",
     "channel.namespaces[6].shared_poll.proxy_name"),
    ("no endpoint", [("client.proxy.connect.endpoint", "")], "PH018", "client.proxy.connect.enabled"),
    ("no endpoint of a named proxy", [("proxies.1.endpoint", "")], "PH018", "proxies[1]"),
    ("no endpoint for polls", [("channel.proxy.shared_poll_refresh", {})], "PH018",
     "channel.namespaces[6].subscription_type"),
    ("an unknown personal namespace", [(f"{PERSONAL}.personal_channel_namespace", "x")], "PH031",
     f"{PERSONAL}.personal_channel_namespace"),
    ("presence in an unknown namespace", [(f"{CHAT}.map_users_presence_channel_prefix", "x:")], "PH031",
     "channel.namespaces[0].map_users_presence_channel_prefix"),
    ("presence in a namespace of another type", [(f"{CHAT}.map_users_presence_channel_prefix", "clients:")], "PH031",
     "channel.namespaces[0].map_users_presence_channel_prefix"),
    ("polls without a key", [("shared_poll.hmac_secret_key", "")], "PH031", "shared_poll.hmac_secret_key"),
    # options that do not go together
    ("a stream beside the subscribe proxy", [(f"{CHAT}.subscribe_stream_proxy_enabled", True)], "PH031",
     "channel.namespaces[0].subscribe_stream_proxy_enabled"),
    ("a size without a ttl", [(f"{BOARD}.history_size", 1)], "PH031", "channel.namespaces[3].history_size"),
    ("a ttl without a size", [(f"{BOARD}.history_ttl", "1s")], "PH031", "channel.namespaces[3].history_ttl"),
    ("a fraction of a second", [(f"{CHAT}.history_ttl", "1500ms")], "PH031", "channel.namespaces[0].history_ttl"),
    ("a fraction for all", [("channel.history_meta_ttl", "720h1ms")], "PH031", "channel.history_meta_ttl"),
    ("a ttl beyond its meta ttl", [(f"{CHAT}.history_meta_ttl", "1s")], "PH031", "channel.namespaces[0].history_ttl"),
    ("recovery without history", [(f"{POLL}.force_recovery", True)], "PH031", "channel.namespaces[6].force_recovery"),
    ("cache recovery of streams", [(f"{CHAT}.auto_cache_recover", True)], "PH031",
     "channel.namespaces[0].auto_cache_recover"),
    ("a key beside the map's proxy", [(f"{BOARD}.map.client_key", "user_id"),
     (f"{BOARD}.map.remove_proxy_enabled", False)], "PH031", "channel.namespaces[3].map.client_key"),
    ("a map without a mode", [(f"{CLIENTS}.map.mode", "")], "PH031", "channel.namespaces[4].map.mode"),
    ("a map without a ttl", [(f"{CLIENTS}.map.key_ttl", "0s")], "PH031", "channel.namespaces[4].map.key_ttl"),
    ("a ttl of a persistent map", [(f"{BOARD}.map.mode", "persistent")], "PH031", "channel.namespaces[3].map.key_ttl"),
    ("presence that stays", [(f"{CLIENTS}.map", {"mode": "persistent"})], "PH031", "channel.namespaces[4].map.mode"),
    ("a stream of an ephemeral map", [(f"{CLIENTS}.map.stream_size", 1)], "PH031",
     "channel.namespaces[4].map.stream_size"),
    ("a stream beyond its meta", [(f"{BOARD}.map.meta_ttl", "1s")], "PH031", "channel.namespaces[3].map.meta_ttl"),
    ("a negative stream", [(f"{BOARD}.map.stream_size", -1)], "PH031", "channel.namespaces[3].map.stream_size"),
    ("pages in the wrong order", [(f"{BOARD}.map.max_page_size", 15)], "PH031",
     "channel.namespaces[3].map.default_page_size"),
    ("removal without a map", [(f"{CHAT}.map.remove_client_on_unsubscribe", True)], "PH031",
     "channel.namespaces[0].map.remove_client_on_unsubscribe"),
    ("publications without versions", [(f"{POLL}.shared_poll", {"publish_enabled": True})], "PH031",
     "channel.namespaces[6].shared_poll.publish_enabled"),
    ("a regular expression of Perl", [(f"{CHAT}.channel_regex", "(?=x)")], "PH031",
     "channel.namespaces[0].channel_regex"),
    ("cleartext HTTP/2 on the only port", [("http_server", {"h2c_external": True})], "PH031",
     "http_server.h2c_external"),
    ("cleartext HTTP/2 beside TLS", [("http_server.h2c_external", True), ("http_server.tls.enabled", True)], "PH031",
     "http_server.h2c_external"),
    ("a single connection without presence", [(f"{PERSONAL}.single_connection", True),
     ("channel.namespaces.1.presence", False)], "PH031", f"{PERSONAL}.single_connection"),
    ("a claim with a dash", [("client.token.user_id_claim", "user-id")], "PH031", "client.token.user_id_claim"),
    # transforms
    ("no status", [(f"{TRANSFORM}.status_code", 0)], "PH031",
     "client.proxy.connect.http.status_to_code_transforms[0].status_code"),
    ("no code", [(f"{TRANSFORM}.to_error.code", 0)], "PH031",
     "client.proxy.connect.http.status_to_code_transforms[0].to_error.code"),
    ("two codes", [(f"{TRANSFORM}.to_disconnect.code", 4503)], "PH031",
     "client.proxy.connect.http.status_to_code_transforms[0].to_disconnect.code"),
    ("a message in Greek", [(f"{TRANSFORM}.to_error.message", "όχι")], "PH031",
     "client.proxy.connect.http.status_to_code_transforms[0].to_error.message"),
    ("no code for one-way clients", [("client.connect_code_to_unidirectional_disconnect.transforms.0.to.code", 0)],
     "PH031", "client.connect_code_to_unidirectional_disconnect.transforms[0].to.code"),
    ("no status for one-way clients", [("uni_sse.connect_code_to_http_response.transforms.0.to.status_code", 0)],
     "PH031", "uni_sse.connect_code_to_http_response.transforms[0].to.status_code"),
    # consumers
    ("an unknown consumer", [("consumers.0.type", "rabbitmq")], "PH031", "consumers[0].type"),
    ("a consumer without its queue", [("consumers.6.aws_sqs.queues", [])], "PH031", "consumers[6].aws_sqs.queues"),
    ("a role without its mechanism", [("consumers.1.kafka.assume_role_arn", "a")], "PH031",
     "consumers[1].kafka.assume_role_arn"),
    # words
    *(
        (f"an unknown word for {key}", [(key.replace("[3]", ".3").replace("[0]", ".0"), value)], "PH031", key)
        for key, value in [
            ("broker.type", "kafka"),
            ("map_broker.type", "nats"),
            ("channel.publication_data_format", "xml"),
            ("channel.namespaces[0].publication_data_format", "xml"),
            ("channel.namespaces[0].force_recovery_mode", "snapshot"),
            ("channel.namespaces[0].subscription_type", "poll"),
            ("channel.namespaces[0].allowed_delta_types", ["xdelta"]),
            ("channel.namespaces[3].map.mode", "durable"),
        ]
    ),
]  # fmt: skip


def test_the_good_configuration_is_not_refused() -> None:
    assert refusals() == []
    assert refused_by_centrifugo({}) == []


@pytest.mark.parametrize(("changes", "id_", "path"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_centrifugo_refuses_has_a_finding(changes: list[tuple[str, Any]], id_: str, path: str) -> None:
    (finding,) = refusals(*changes)
    assert (finding.id, finding.path, finding.level) == (id_, path, "error")
    assert finding.text
    assert finding.fix


def test_every_refusal_is_found_and_not_only_the_first() -> None:
    changes = [(f"{CHAT}.name", "c"), ("proxies.1.name", "default"), ("shared_poll.hmac_secret_key", "")]
    assert [finding.id for finding in refusals(*changes)] == ["PH016", "PH016", "PH031"]


def test_a_proxy_that_is_not_used_needs_no_endpoint() -> None:
    unused = [("client.proxy.connect", {"enabled": False}), ("rpc.proxy", {})]
    assert refusals(*unused) == []


def test_a_namespace_ends_at_the_boundary_that_is_configured() -> None:
    prefixes = [(f"{CHAT}.map_{kind}_presence_channel_prefix", f"{kind}/") for kind in ("clients", "users")]
    assert len(refusals(*prefixes)) == 2
    assert refusals(*prefixes, ("channel.namespace_boundary", "/")) == []


def test_a_zero_is_an_option_that_is_not_set() -> None:
    zeros = [("channel.namespace_boundary", ""), ("channel.history_meta_ttl", "0s"), (f"{CHAT}.publish_proxy_name", "")]
    assert refusals(*zeros) == []


def centrifugo_takes(config: dict[str, Any], path: Path) -> bool:
    path.write_text(json.dumps(config))
    command = [centrifugo_binary(), "checkconfig", "-s", "-c", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0 or result.stdout.startswith("error validating config"), result.stdout
    return result.returncode == 0


def differences(cases: Iterable[list[tuple[str, Any]]], directory: Path) -> list[list[tuple[str, Any]]]:
    """The cases about which Centrifugo says something else."""

    def differs(numbered: tuple[int, list[tuple[str, Any]]]) -> bool:
        number, case = numbered
        return centrifugo_takes(changed(*case), directory / f"{number}.json") is bool(refusals(*case))

    cases = list(cases)
    with ThreadPoolExecutor(2) as threads:
        return list(compress(cases, threads.map(differs, enumerate(cases))))


@pytest.mark.centrifugo
@pytest.mark.parametrize("start", range(0, CASES, BATCH))
def test_centrifugo_says_the_same_of_random_changes(start: int, tmp_path: Path) -> None:
    assert differences(map(random_changes, range(start, min(start + BATCH, CASES))), tmp_path) == []


@pytest.mark.centrifugo
@pytest.mark.parametrize("start", range(0, len(SINGLE_CHANGES) if CASES >= 1000 else 20, BATCH))
def test_centrifugo_says_the_same_of_each_change_alone(start: int, tmp_path: Path) -> None:
    changes = SINGLE_CHANGES[start : start + BATCH] if CASES >= 1000 else SINGLE_CHANGES[::150]
    assert differences([[], *([change] for change in changes)], tmp_path) == []


def test_half_of_the_random_configurations_are_refused() -> None:
    refused = sum(bool(refusals(*random_changes(seed))) for seed in range(60))
    assert 20 < refused < 50
    assert good() == good()
