"""Collections that are included behind prefixes of their methods and channels."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields

from proxyhooks import (
    ChannelPattern,
    ConnectRequest,
    ConnectResult,
    Hooks,
    ProxyHooks,
    PublicationError,
    PublishRequest,
    PublishResult,
    RPCRequest,
    RPCResult,
    SetupError,
    SubRefreshResult,
    SubscribeRequest,
    SubscribeResult,
    errors,
)
from proxyhooks._dispatch.events import EVENTS
from proxyhooks._dispatch.patterns import Prefixes
from proxyhooks.cli import centrifugo
from proxyhooks.contract import contract_of
from proxyhooks.contract.typescript import typescript
from proxyhooks.testing import ProxyClient
from tests.support.asking import Ask

CHANNEL_EVENTS = [name for name, event in EVENTS.items() if event.routed_on == "channel"]


class MessageSchema(Schema):
    text = fields.String(required=True)


def chat() -> Hooks:
    """The hooks of a module that does not know its prefixes."""
    hooks = Hooks()

    @hooks.subscribe("chat:<int:room_id>")
    def subscribe(req: SubscribeRequest, room_id: int) -> SubscribeResult:
        return SubscribeResult(data=[req.channel, room_id])

    @hooks.publish("chat:<int:room_id>", data_schema=MessageSchema, result_schema=MessageSchema)
    def publish(req: PublishRequest, room_id: int) -> PublishResult:
        return PublishResult(data=hooks.dump_publication(req.channel, req.data))

    @hooks.rpc("list")
    def list_rooms(req: RPCRequest) -> RPCResult:
        return RPCResult(data=req.method)

    hooks.publication("chat:<int:room_id>", MessageSchema)
    return hooks


@pytest.fixture
def two_teams(hooks: ProxyHooks) -> ProxyHooks:
    @hooks.connect
    def connect(req: ConnectRequest) -> ConnectResult:
        return ConnectResult(user="42")

    module = chat()
    hooks.include(module, channel_prefix="red:", rpc_prefix="red.")
    hooks.include(module, channel_prefix="blue:", rpc_prefix="blue.")
    hooks.include(module, channel_prefix="blue:", rpc_prefix="blue.")  # the same again is nothing
    return hooks


@pytest.mark.parametrize("team", ["red", "blue"])
def test_channels_and_methods_of_a_collection_stand_behind_both_prefixes(
    team: str, two_teams: ProxyHooks, app: Flask
) -> None:
    client = ProxyClient(app)
    client.connect()
    assert client.subscribe(f"{team}:chat:7").data == [f"{team}:chat:7", 7]
    assert client.publish(f"{team}:chat:7", {"text": "hi"}).data == {"text": "hi"}
    assert client.rpc(f"{team}.list").data == f"{team}.list"
    assert client.subscribe("chat:7").refused_with(errors.UnknownChannel)
    assert client.subscribe(f"{team}:chat:07").refused_with(errors.UnknownChannel)
    assert client.rpc("list").refused_with(errors.MethodNotFound)


@pytest.mark.parametrize("event", CHANNEL_EVENTS)
def test_every_event_of_channels_has_the_prefix(event: str) -> None:
    inner, hooks = Hooks(), Hooks()
    getattr(inner, event)("a:<name>")(lambda req, name: None)
    getattr(inner, event)(lambda req: None)
    hooks.include(inner, channel_prefix="team:", rpc_prefix="not this.")
    patterns = [registration.pattern for registration in hooks.index.registrations()]
    assert patterns == [ChannelPattern("team:a:<name>"), ChannelPattern("team:<path:_>")]


def test_a_hook_without_a_pattern_serves_the_channels_with_the_prefix(hooks: ProxyHooks, ask: Ask) -> None:
    inner = Hooks()
    inner.subscribe(lambda req: SubscribeResult(data=req.channel))
    hooks.include(inner, channel_prefix="team:")
    assert ask("subscribe", channel="team:a:b").json == {"result": {"data": "team:a:b"}}
    for channel in ("team:", "tea", "a"):
        assert ask("subscribe", channel=channel).json == {"error": {"code": 102, "message": "unknown channel"}}


def test_prefixes_of_channels_add_up(hooks: ProxyHooks, ask: Ask) -> None:
    inner, outer = chat(), Hooks()
    outer.include(inner, channel_prefix="inner:")
    hooks.include(outer, channel_prefix="outer:")
    inner.sub_refresh("late")(lambda req: SubRefreshResult(expired=True))  # registered after the collection is included
    assert ask("subscribe", channel="outer:inner:chat:1").json == {"result": {"data": ["outer:inner:chat:1", 1]}}
    assert ask("sub_refresh", channel="outer:inner:late").json == {"result": {"expired": True}}


def test_events_without_a_channel_have_no_prefix(hooks: ProxyHooks, ask: Ask) -> None:
    inner = Hooks()
    inner.connect(lambda req: ConnectResult(user="1"))
    hooks.include(inner, channel_prefix="team:", rpc_prefix="team.")
    assert ask("connect").json == {"result": {"user": "1"}}


def test_the_pattern_behind_a_prefix_formats_and_matches_whole_channels() -> None:
    pattern = Prefixes(channel="team:").before(ChannelPattern("chat:<int:room_id>"), "channel")
    assert pattern is not None
    assert (pattern.format(room_id=7), pattern.match("team:chat:7")) == ("team:chat:7", {"room_id": 7})


@pytest.mark.parametrize(
    ("prefix", "text", "namespace"),
    [
        ("team:", "chat:<int:id>", "team"),  # the first boundary ends the namespace
        ("team-", "chat:<int:id>", "team-chat"),
        ("team/", "<name>", ""),
        ("$", "chat:<int:id>", "chat"),
        ("team:", "$chat:<int:id>", "team"),  # $ has its meaning only where the channel begins
        ("team:", "chat#<name>", "team"),
    ],
)
def test_the_namespace_is_that_of_the_whole_channel(prefix: str, text: str, namespace: str, hooks: ProxyHooks) -> None:
    inner = Hooks()
    inner.publish(text)(lambda req, **variables: PublishResult())
    inner.publication(text, MessageSchema)
    hooks.include(inner, channel_prefix=prefix)
    (registration,), (publication,) = hooks.index.registrations(), hooks.declared_publications
    assert registration.pattern is not None
    assert registration.pattern.namespace == publication.pattern.namespace == namespace


def config_of(app: Flask) -> Any:
    options = ["config", "--base-url", "http://127.0.0.1:8070", "--allowed-origin", "http://a.example"]
    done = app.test_cli_runner().invoke(centrifugo, options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_config_defines_the_namespaces_of_prefixes(two_teams: ProxyHooks, app: Flask) -> None:
    channel = config_of(app)["channel"]
    assert [namespace["name"] for namespace in channel["namespaces"]] == ["blue", "red"]
    assert all(namespace["subscribe_proxy_enabled"] for namespace in channel["namespaces"])


def test_a_private_channel_needs_its_dollar_in_the_prefix(app: Flask) -> None:
    """A module's ``$chat:1`` is ``team:$chat:1`` behind a prefix, about which Centrifugo asks as about any other."""
    hooks, inner = ProxyHooks(app), Hooks()
    hooks.connect(lambda req: ConnectResult(user="1"))
    inner.subscribe("$chat:<int:n>")(lambda req, n: SubscribeResult())
    hooks.include(inner, channel_prefix="team:")
    hooks.include(chat(), channel_prefix="$")
    client = ProxyClient(app)
    client.connect()
    assert client.subscribe("team:$chat:1").allowed
    private = client.subscribe("$chat:1")
    assert private.refused_with(errors.PermissionDenied)
    assert private.request is None  # Centrifugo asked nobody


def test_a_user_limited_channel_keeps_its_users_behind_a_prefix(app: Flask) -> None:
    hooks, inner = ProxyHooks(app), Hooks()
    hooks.connect(lambda req: ConnectResult(user="42"))
    inner.subscribe("dialog#<path:users>")(lambda req, users: SubscribeResult(data=users))
    hooks.include(inner, channel_prefix="team:")
    config = config_of(app)
    client = ProxyClient(app, config=config)
    client.connect()
    assert client.subscribe("team:dialog#7,42").data == "7,42"  # without the option, # is a character like others
    config["channel"]["namespaces"][0]["allow_user_limited_channels"] = True
    client = ProxyClient(app, config=config)
    client.connect()
    assert [client.subscribe(f"team:dialog#{users}").code for users in ("7,42", "7")] == [None, 103]


def test_the_list_of_hooks_and_the_contract_have_whole_channels(two_teams: ProxyHooks, app: Flask) -> None:
    listed = app.test_cli_runner().invoke(centrifugo, ["hooks"]).stdout
    for text in ("red:chat:<int:room_id>", "blue:chat:<int:room_id>", "red.list", "blue.list"):
        assert text in listed
    contract = contract_of(two_teams)
    patterns = ["blue:chat:<int:room_id>", "red:chat:<int:room_id>"]
    assert contract["channels"] == list(contract["publish"]) == list(contract["publications"]) == patterns
    assert """redChat: (variables: { room_id: number | bigint }): string => "red:chat:" + int(""" in typescript(
        contract
    )


@pytest.mark.usefixtures("log_without_rate_limit")
def test_the_hint_to_paste_knows_the_channel_prefix(
    two_teams: ProxyHooks, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    ask("publish", channel="red:news")
    assert "    @hooks.publish('red:news')\n" in caplog.text
    assert "whose collection is included with the prefix 'red:':\n\n    @hooks.publish('news')\n" in caplog.text
    assert "'blue:'" not in caplog.text


def test_publications_are_dumped_for_whole_channels_by_every_collection(two_teams: ProxyHooks) -> None:
    module, single = chat(), chat()
    two_teams.include(module, channel_prefix="$green:")
    for hooks in (two_teams, module):
        assert hooks.dump_publication("$green:chat:7", {"text": "hi", "more": 1}) == {"text": "hi"}
        with pytest.raises(PublicationError, match="no publication is declared for the channel 'chat:7'"):
            hooks.dump_publication("chat:7", {"text": "hi"})
    assert single.dump_publication("chat:7", {"text": "hi"}) == {"text": "hi"}  # in no other collection


def test_a_collection_in_two_applications_dumps_publications_for_both() -> None:
    module, first, second = chat(), Hooks(), Hooks()
    first.include(module, channel_prefix="a:")
    second.include(module, channel_prefix="b:")
    assert [module.dump_publication(f"{one}:chat:1", {"text": one}) for one in "ab"] == [{"text": "a"}, {"text": "b"}]
    with pytest.raises(PublicationError, match="no publication is declared"):
        module.dump_publication("c:chat:1", {"text": ""})


def test_a_declaration_after_the_include_is_behind_each_prefix() -> None:
    inner, middle, outer = Hooks(), Hooks(), Hooks()
    middle.include(inner, channel_prefix="m:")
    for prefix in ("a:", "b:"):
        outer.include(middle, channel_prefix=prefix)
    outer.include(inner, channel_prefix="a:m:")  # by another way to the same channels, which is harmless
    inner.publication("news", MessageSchema)
    assert [publication.pattern.text for publication in middle.declared_publications] == ["m:news"]
    assert {publication.pattern.text for publication in outer.declared_publications} == {"a:m:news", "b:m:news"}


def test_conflicts_behind_a_prefix_are_found_and_change_nothing() -> None:
    outer, inner = Hooks(), Hooks()
    outer.subscribe("team:a")(lambda req: SubscribeResult())
    outer.publication("team:a", MessageSchema)
    outer.include(inner, channel_prefix="team:")
    with pytest.raises(SetupError, match="subscribe for 'team:a' has two hooks"):
        inner.subscribe("a")(lambda req: SubscribeResult())
    with pytest.raises(SetupError, match="publications to 'team:a' are declared twice"):
        inner.publication("a", MessageSchema)
    assert (list(inner.index.registrations()), list(inner.declared_publications)) == ([], [])


@pytest.mark.parametrize("option", ["channel_prefix", "rpc_prefix"])
@pytest.mark.parametrize("prefix", ["<name>:", ">", 5, None])
def test_a_prefix_is_a_text_without_variables(option: str, prefix: Any) -> None:
    with pytest.raises(SetupError, match=f"{option} must be a text without variables"):
        Hooks().include(Hooks(), **{option: prefix})
