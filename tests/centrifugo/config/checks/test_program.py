"""What the program centrifugo says about a configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.config.checks import program
from proxyhooks.centrifugo.config.checks.program import Answer, ProgramError, ask_centrifugo, refused_by_program
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading import read_config
from tests.support.centrifugo import centrifugo_binary


def fake_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def finding(id_: str, path: str) -> Finding:
    return Finding(id=id_, path=path, text="-", fix="-")


def refusals(refusal: str, *others: Finding) -> list[tuple[str, str]]:
    return [(found.path, found.text) for found in refused_by_program(Answer("6.9.1", refusal), others)]


def test_the_program_gets_the_file_and_the_environment(tmp_path: Path) -> None:
    script = 'if [ "$1" = version ]; then echo "Centrifugo v6.9.7 (Go)"; else echo "$@ $A"; exit 1; fi'
    answer = ask_centrifugo(fake_program(tmp_path / "centrifugo", script), Path("c.json"), {"A": "b", "PATH": "/bin"})
    assert answer == Answer("6.9.7", "checkconfig -s -c c.json b")
    assert answer.is_known_version


def test_a_configuration_that_it_takes_has_no_finding(tmp_path: Path) -> None:
    script = '[ "$1" = version ] && echo "Centrifugo v5.4.9 (Go)"; exit 0'
    answer = ask_centrifugo(fake_program(tmp_path / "centrifugo", script), Path("c.json"), os.environ)
    assert answer == Answer("5.4.9", "")
    assert not answer.is_known_version
    assert refused_by_program(answer, []) == []


@pytest.mark.parametrize(("script", "message"), [("echo hello", "which version"), ("sleep 60", "took more than 0.2 s")])
def test_a_program_that_is_not_centrifugo_is_an_error(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(program, "_TIMEOUT", 0.2)
    with pytest.raises(ProgramError, match=message):
        ask_centrifugo(fake_program(tmp_path / "centrifugo", f"exec {script}"), Path("c.json"), os.environ)
    with pytest.raises(ProgramError, match="cannot be run"):
        ask_centrifugo(str(tmp_path), Path("c.json"), os.environ)


def test_its_words_are_a_finding_with_its_version() -> None:
    refusal = "error validating config: in channel.without_namespace: invalid channel regex"
    words = "Centrifugo v6.9.1 says: in channel.without_namespace: invalid channel regex"
    assert refusals(refusal) == [("", words)]
    assert refusals(refusal, finding("PH015", "client.allowed_origins"), finding("PH012", "admin")) == [("", words)]


def test_several_lines_become_one() -> None:
    refusal = (
        "error getting config: error unmarshalling config: decoding failed due to:\n\n'admin' expected\n'sse' expected"
    )
    assert refusals(refusal) == [
        ("", "Centrifugo v6.9.1 says: decoding failed due to; 'admin' expected; 'sse' expected")
    ]


@pytest.mark.parametrize("id_", ["PH016", "PH017", "PH026", "PH029", "PH031"])
def test_nothing_is_said_twice(id_: str) -> None:
    assert refusals("error validating config: a reason", finding(id_, "x")) == []
    assert refusals("error getting config: 'admin' expected a map", finding("PH012", "admin")) == []


def test_unknown_keys_that_have_a_finding_are_not_repeated() -> None:
    refusal = "unknown keys in config: channel.namespaces.[1].foo, bar, channel.namespaces.[0].baz"
    others = [finding("PH013", "channel.namespaces[0].foo"), finding("PH013", "BAR")]
    assert refusals(refusal, *others) == [("channel.namespaces[0].baz", "Centrifugo v6.9.1 says: this key is unknown")]


def test_keys_of_centrifugo_pro_are_not_unknown() -> None:
    keys = "channel.namespaces.[0].state_proxy_enabled, channel.proxy.state, channel.without_namespace.state_proxy_name"
    assert refusals(f"unknown keys in config: {keys}") == []


@pytest.mark.centrifugo
@pytest.mark.parametrize(
    "config",
    [
        {"admin": True},
        {"channel": {"namespaces": [{"name": "c"}]}},
        {"proxies": [{"name": "default", "endpoint": "http://a"}]},
        {"client": {"tokens": {"audience": "a"}}},
        {"channel": {"without_namespace": {"channel_regex": "[z-a]"}}},
    ],
)
def test_centrifugo_is_quoted_where_nothing_else_says_it(config: dict[str, Any], tmp_path: Path) -> None:
    from proxyhooks.centrifugo.config.checks import refused_by_centrifugo

    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    reading = read_config(path, {})
    answer = ask_centrifugo(centrifugo_binary(), path, {"PATH": os.environ["PATH"]})
    assert answer.refusal
    own = [*reading.findings, *refused_by_centrifugo(reading.config)]
    quoted = refused_by_program(answer, own)
    assert bool(own) != bool(quoted)
    assert all("invalid character class range" in found.text for found in quoted)
