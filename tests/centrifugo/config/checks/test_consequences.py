"""Findings that only follow from others."""

from __future__ import annotations

import pytest

from proxyhooks.centrifugo.config.checks.consequences import without_consequences
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading.legacy import legacy_findings


def old(key: str) -> Finding:
    return legacy_findings(key, key, True)[0]


def missing(id_: str, path: str) -> Finding:
    return Finding(id=id_, path=path, text="it is missing", fix="write it")


@pytest.mark.parametrize(
    ("old_key", "consequence"),
    [
        (old("allowed_origins"), missing("PH015", "client.allowed_origins")),
        (old("namespaces"), missing("PH003", "channel.namespaces")),
        (old("proxy_connect_endpoint"), missing("PH004", "client.proxy.connect")),
        (old("connect_proxy_name"), missing("PH004", "client.proxy.connect")),
        (old("proxy_subscribe"), missing("PH004", "channel.namespaces")),
        (old("proxy_rpc_endpoint"), missing("PH004", "rpc.namespaces")),
        (old("proxy_subscribe_endpoint"), missing("PH018", "channel.namespaces[0].subscribe_proxy_enabled")),
        (old("proxy_rpc_endpoint"), missing("PH018", "rpc.without_namespace.proxy_enabled")),
    ],
)
def test_what_is_missing_only_because_an_old_key_says_it_is_left_out(old_key: Finding, consequence: Finding) -> None:
    assert without_consequences([consequence, old_key]) == [old_key]
    assert without_consequences([consequence]) == [consequence]


@pytest.mark.parametrize(
    ("old_key", "other"),
    [
        (old("allowed_origins"), missing("PH004", "client.proxy.connect")),
        (old("proxy_refresh_endpoint"), missing("PH004", "client.proxy.connect")),
        (old("presence"), missing("PH004", "channel.namespaces")),
        (old("proxy_connect_endpoint"), missing("PH003", "channel.namespaces")),
        (old("proxy_publish_endpoint"), missing("PH018", "channel.namespaces[0].subscribe_proxy_enabled")),
        (old("sockjs"), missing("PH015", "client.allowed_origins")),
        (old("allowed_origins"), missing("PH013", "client.allowed_origin")),
        (missing("PH030", "CENTRIFUGO_ALLOWED_ORIGINS"), missing("PH015", "client.allowed_origins")),
    ],
)
def test_what_is_missing_for_another_reason_stays(old_key: Finding, other: Finding) -> None:
    assert without_consequences([old_key, other]) == [old_key, other]
