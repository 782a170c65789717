"""Hooks that Centrifugo never asks, by their patterns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxyhooks._dispatch.events import EVENTS
from proxyhooks._dispatch.patterns import ChannelPattern
from proxyhooks.centrifugo.config.channels import Channels
from proxyhooks.centrifugo.config.unreachable import unreachable
from proxyhooks.centrifugo.config.writing import ConfigOptions, generate
from proxyhooks.centrifugo.decisions import Decisions
from tests.support.backends import backend

SWITCHES = {
    "subscribe_proxy_enabled": True,
    "publish_proxy_enabled": True,
    "map": {"publish_proxy_enabled": True, "remove_proxy_enabled": True},
}
LIMITED = {"allow_user_limited_channels": True}
CHANNEL_EVENTS = ("subscribe", "sub_refresh", "publish", "map_publish", "map_remove", "shared_poll_refresh")


def config(options: dict[str, Any], **channel: Any) -> dict[str, Any]:
    """A configuration with these options for the namespace ``chat`` and for channels without one."""
    options = SWITCHES | options
    namespaces = [{"name": "chat"} | options]
    return {"channel": {"without_namespace": options, "namespaces": namespaces, **channel}}


# Event, pattern, options of the namespaces, settings of channels, and a word of the reason.
NEVER: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    ("subscribe", "$chat:<x>", {}, {}, "token"),
    ("subscribe", "$<x>", {}, {}, "token"),
    ("subscribe", "chat:<x>", {}, {"private_prefix": "ch"}, "token"),
    ("subscribe", "chat:<x>#<int:user>", LIMITED, {}, "decides"),
    ("subscribe", "chat:<x>/user/<int:user>", LIMITED, {"user_boundary": "/user/"}, "decides"),
    *((event, "chat:\u00e4<x>", {}, {}, "ASCII") for event in CHANNEL_EVENTS),
    *((event, "chat:a1", {"channel_regex": "^[a-z]+$"}, {}, "channel_regex") for event in CHANNEL_EVENTS),
    *((event, "x:<y>", {}, {}, "'x'") for event in (*CHANNEL_EVENTS, "cache_empty", "rpc")),
    ("rpc", "$users:list", {}, {}, "'$users'"),
    ("subscribe", "$chat:<x>", {}, {"private_prefix": "!"}, "'$chat'"),
    ("subscribe", "chat:" + "x" * 250 + "<y>", {}, {}, "256 bytes"),
    ("sub_refresh", "chat:<uuid:x>", {}, {"max_length": 40}, "41 bytes"),
    ("subscribe", "chat:<x>", {}, {"max_length": 5}, "6 bytes"),
]
MAYBE: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("subscribe", "chat:<x>", {}, {}),
    ("subscribe", "chat:<x>#<int:user>", {}, {}),
    ("subscribe", "chat:<path:x>", LIMITED, {}),
    ("subscribe", "chat:<x>#<int:user>", LIMITED, {"user_boundary": "!"}),
    ("subscribe", "$<x>", {}, {"private_prefix": "!"}),
    ("subscribe", "<x>", {}, {}),
    ("publish", "$chat:<x>", {}, {}),
    ("publish", "chat:<x>#<int:user>", LIMITED, {}),
    ("publish", "chat:" + "x" * 300, {}, {}),
    ("subscribe", "chat:" + "x" * 300, {}, {"max_length": -1}),
    ("subscribe", "chat:" + "x" * 300, {"subscription_type": "shared_poll"}, {}),
    ("subscribe", "chat:\u00e4<x>", {"channel_regex": "^\u00e4"}, {}),
    ("subscribe", "chat:ab", {"channel_regex": "^[a-z]+$"}, {}),
    ("subscribe", "x:<y>", {}, {"namespace_boundary": "!"}),
    ("cache_empty", "chat:\u00e4", {}, {}),
]


@pytest.mark.parametrize(("event", "pattern", "options", "channel", "word"), NEVER)
def test_a_hook_that_can_never_be_asked_is_found_with_the_reason(
    event: str, pattern: str, options: dict[str, Any], channel: dict[str, Any], word: str
) -> None:
    problem = unreachable(EVENTS[event], ChannelPattern(pattern), Channels(config(options, **channel)))
    assert problem is not None
    assert word in problem.why
    assert problem.fix


@pytest.mark.parametrize(("event", "pattern", "options", "channel"), MAYBE)
def test_a_hook_that_may_be_asked_is_not_found(
    event: str, pattern: str, options: dict[str, Any], channel: dict[str, Any]
) -> None:
    assert unreachable(EVENTS[event], ChannelPattern(pattern), Channels(config(options, **channel))) is None


def test_the_boundary_of_methods_is_a_setting() -> None:
    channels = Channels({"rpc": {"namespace_boundary": "/"}})
    assert unreachable(EVENTS["rpc"], ChannelPattern("x:<y>"), channels) is None
    assert unreachable(EVENTS["rpc"], ChannelPattern("x/<y>"), channels) is not None


PIECES = ["$", "chat", ":", "x", "#", "a", "\u00e4", "x" * 250]
PATTERNS = st.tuples(
    st.lists(st.sampled_from([*PIECES, "<int:n>:"]), min_size=1, max_size=5).map("".join),
    st.sampled_from(["", "<int:last>", "<path:last>"]),
).filter(lambda parts: parts[0].count("<") < 2)


@given(
    parts=PATTERNS,
    options=st.sampled_from([{}, LIMITED, {"channel_regex": "^[a-z]+$"}]),
    channel=st.sampled_from([{}, {"private_prefix": "c"}, {"max_length": 8}, {"user_boundary": "a"}]),
    rest=st.sampled_from(["a", "1", "a#42", ":x"]),
    event=st.sampled_from(["subscribe", "publish", "map_publish", "map_remove"]),
)
def test_nothing_is_asked_about_a_channel_of_a_hook_that_is_found(
    parts: tuple[str, str], options: dict[str, Any], channel: dict[str, Any], rest: str, event: str
) -> None:
    compiled = ChannelPattern("".join(parts))
    settings = config(options, **channel)
    assume(unreachable(EVENTS[event], compiled, Channels(settings)) is not None)
    decisions = Decisions(settings, "it", "")
    values = {name: 7 if kind is int else rest for name, kind in compiled.kinds.items()}
    text = compiled.format(**values)
    if event == "subscribe":
        assert decisions.subscribe(text, "42", []) is not None
    elif event == "publish":
        assert decisions.publish(text, b"1", "42", []) is not None
    else:
        assert decisions.change_map("map_publish" if event == "map_publish" else "map_remove", text, "k", "42", [])


def test_the_generator_says_which_hooks_are_never_asked() -> None:
    app = backend(("subscribe", "$chat:<x>"), ("publish", "$chat:<x>"), ("subscribe", "chat:\u00e4"))
    notes = generate(app, ConfigOptions(base_url="http://127.0.0.1:1", allowed_origins=["*"])).notes
    assert len([note for note in notes if "never called" in note]) == 2
