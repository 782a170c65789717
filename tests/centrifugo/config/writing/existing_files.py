"""Generates configurations of Centrifugo as operators write them, and spells them in all ways that Centrifugo reads."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

BASE_URL = "http://127.0.0.1:8070"
EVENTS = ("subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh")
NAMES = ("chat", "board", "poll", "news", "a.b-c_9", "more")
CONFIDENTIAL = "old-confidential-text"


def existing_config(random: Random) -> dict[str, Any]:
    """A configuration with canonical keys; Centrifugo accepts most of them."""

    def maybe(chance: float) -> bool:
        return random.random() < chance

    def proxy(event: str, *, enabled: bool = False) -> dict[str, Any]:
        hosts = (BASE_URL, BASE_URL, "http://other.example:3000", "https://user:pass@backend.example")
        made: dict[str, Any] = {"endpoint": f"{random.choice(hosts)}/centrifugo/{event}"}
        if enabled:
            made["enabled"] = maybe(0.7)
        choices: dict[str, list[Any]] = {
            "timeout": ["3s", "500ms", 3_000_000_000, "1m", 0],
            "http_headers": [["Cookie"], ["cookie", "Authorization"], [], ["X-Proxyhooks-Secret"]],
            "emulated_headers": [["Authorization"], ["X-Real-Ip", "x-other"]],
            "binary_encoding": [True, False],
            "include_connection_meta": [True, False],
        }
        made |= {key: random.choice(values) for key, values in choices.items() if maybe(0.4)}
        http: dict[str, Any] = {}
        if maybe(0.6):
            headers = {
                "x-proxyhooks-secret": [CONFIDENTIAL, "${CENTRIFUGO_VAR_PROXYHOOKS_SECRET}"],
                "authorization": [f"Bearer {CONFIDENTIAL}"],
                "idempotency-key": ["proxyhooks", "yes"],
            }
            http["static_headers"] = {name: random.choice(values) for name, values in headers.items() if maybe(0.6)}
        if maybe(0.2):
            http["tls"] = {"enabled": True, "insecure_skip_verify": maybe(0.5)}
        if maybe(0.2):
            http["status_to_code_transforms"] = [{"status_code": 404, "to_error": {"code": 1404, "message": "gone"}}]
        return made | ({"http": http} if http else {})

    def channel_options() -> dict[str, Any]:
        kind = random.choice(["stream", "stream", "map", "shared_poll", "bare"])
        made: dict[str, Any] = {}
        if kind == "stream":
            made |= random.choice([{}, {"history_size": 10, "history_ttl": "60s"}, {"presence": True}])
            made |= random.choice([{}, {"allow_subscribe_for_client": True}, {"allow_publish_for_client": True}])
            if maybe(0.25):
                made |= {"subscribe_stream_proxy_enabled": True}
            else:
                for event in ("subscribe", "publish", "sub_refresh"):
                    if maybe(0.4):
                        made[f"{event}_proxy_enabled"] = maybe(0.8)
                        if maybe(0.3):
                            made[f"{event}_proxy_name"] = random.choice(["other", f"shop_{event}", "default"])
        elif kind == "map":
            made["subscription_type"] = random.choice(["map", "map", "map_clients"])
            options: list[dict[str, Any]] = [
                {"mode": "ephemeral", "key_ttl": "5m"},
                {"mode": "recoverable", "key_ttl": "5m", "stream_size": 100, "stream_ttl": "60s"},
                {"mode": "persistent"}
                if made["subscription_type"] == "map"
                else {"mode": "ephemeral", "key_ttl": 1e10},
            ]
            more: list[dict[str, Any]] = [
                {},
                {"client_key": "user_id"},
                {"publish_proxy_enabled": True},
                {"allow_publish_for_client": True},
            ]
            made["map"] = random.choice(options) | random.choice(more)
            if maybe(0.3):
                made["map"]["min_page_size"] = 3
        elif kind == "shared_poll":
            made |= {"subscription_type": "shared_poll", "shared_poll": {"refresh_interval": "2s"}}
            if maybe(0.4):
                made["shared_poll"]["proxy_name"] = random.choice(["other", "shop_shared_poll_refresh"])
        elif maybe(0.3):
            made["map"] = {"client_key": "client_id"}
        if maybe(0.1):
            made["subscribe_proxy_enabled"] = False
        return made

    def namespaces(options: Any) -> list[dict[str, Any]]:
        return [{"name": name} | options() for name in random.sample(NAMES, random.randrange(4))]

    def rpc_options() -> dict[str, Any]:
        return random.choice(
            [{}, {"proxy_enabled": True}, {"proxy_enabled": False}, {"proxy_enabled": True, "proxy_name": "other"}]
        )

    client: dict[str, Any] = {}
    choices: dict[str, list[Any]] = {
        "allowed_origins": [["https://old.example"], [], ["HTTP://A.example", "*"]],
        "connection_rate_limit": [50, 0],
        "concurrency": [8, 0],
        "token": [{"hmac_secret_key": CONFIDENTIAL}],
        "allow_anonymous_connect_without_token": [True],
        "ping_interval": ["25s"],
        "connect_code_to_unidirectional_disconnect": [
            {"enabled": True, "transforms": [{"code": 103, "to": {"code": 4501, "reason": "no"}}]}
        ],
    }
    client |= {key: random.choice(values) for key, values in choices.items() if maybe(0.4)}
    client["proxy"] = {event: proxy(event, enabled=True) for event in ("connect", "refresh") if maybe(0.5)}
    channel: dict[str, Any] = {}
    if maybe(0.5):
        channel["without_namespace"] = channel_options()
    if maybe(0.8):
        channel["namespaces"] = namespaces(channel_options)
    used = json.dumps(channel)
    names = {event: f"{event.removeprefix('map_')}_proxy_enabled" for event in EVENTS} | {EVENTS[-1]: EVENTS[-1][:11]}
    channel["proxy"] = {event: proxy(event) for event in EVENTS if maybe(0.97 if names[event] in used else 0.3)}
    if maybe(0.97 if "stream_proxy" in used else 0.2):
        channel["proxy"]["subscribe_stream"] = {"endpoint": "grpc://stream.example:12000", "timeout": "2s"}
    rpc: dict[str, Any] = {"proxy": proxy("rpc")} if maybe(0.5) else {}
    if maybe(0.4):
        rpc["without_namespace"] = rpc_options()
    if maybe(0.4):
        rpc["namespaces"] = namespaces(rpc_options)
    config: dict[str, Any] = {"client": client, "channel": channel, "rpc": rpc}
    config["proxies"] = [{"name": "other"} | proxy("other")]
    config["proxies"] += [
        {"name": f"shop_{event}"} | proxy(event) for event in EVENTS if maybe(0.97 if f"shop_{event}" in used else 0.3)
    ]
    kafka = {"brokers": ["a:1"], "topics": ["t"], "consumer_group": "g"}
    others: dict[str, list[Any]] = {
        "admin": [{"enabled": True, "password": CONFIDENTIAL, "secret": CONFIDENTIAL}],
        "health": [{"enabled": False}, {"enabled": True}, {}],
        "prometheus": [{"enabled": False}, {"handler_prefix": "/m"}],
        "http_server": [{"port": 8001, "internal_port": "9001"}, {"address": "127.0.0.1"}],
        "http_api": [{"key": CONFIDENTIAL}],
        "consumers": [
            [{"name": "outbox", "type": "postgresql", "enabled": False}],
            [{"name": "k1", "type": "kafka", "enabled": True, "kafka": kafka}],
        ],
        "engine": [{"type": "redis", "redis": {"address": "redis://localhost:6379"}}],
        "usage_stats": [{"disabled": True}],
    }  # fmt: skip
    config |= {key: random.choice(values) for key, values in others.items() if maybe(0.4)}
    items = [(key, value) for key, value in config.items() if value or maybe(0.5)]
    random.shuffle(items)
    return copy.deepcopy(dict(items))


def spell(config: dict[str, Any], random: Random) -> dict[str, Any]:
    """The same configuration in another spelling.

    Keys in other letter case, also beside ones that Centrifugo then ignores; dotted keys; weak types; headers as a
    list; one item in place of a list; nulls.
    """
    spelled: dict[str, Any] = _spell_object(config, random)
    for section in ("client", "channel", "rpc", "proxies"):
        if section not in {key.lower() for key in spelled} and random.random() < 0.2:
            spelled[section] = None
    return _with_dots(spelled, random) if random.random() < 0.4 else spelled


def _spell_object(value: dict[str, Any], random: Random) -> dict[str, Any]:
    spelled: dict[str, Any] = {}
    for key, member in value.items():
        written = random.choice([key] * 8 + [key.upper(), key.capitalize(), key.title()])
        if written != key and random.random() < 0.1:
            spelled[key] = "ignored"
        spelled[written] = _spell_value(key, member, random)
    return spelled


def _spell_value(key: str, value: Any, random: Random) -> Any:
    if key == "static_headers" and random.random() < 0.4:
        return [_spell_object({"key": name.title(), "value": text}, random) for name, text in value.items()]
    if isinstance(value, dict):
        return _spell_object(value, random)
    if isinstance(value, list):
        items = [_spell_value("", item, random) for item in value]
        return items[0] if len(items) == 1 and random.random() < 0.2 else items
    if isinstance(value, bool) and random.random() < 0.3:
        return random.choice([str(value).lower(), int(value), str(int(value))])
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.2:
        return float(value)
    return value


def _with_dots(config: dict[str, Any], random: Random) -> dict[str, Any]:
    dotted: dict[str, Any] = {}
    for key, value in config.items():
        members = _with_dots(value, random) if isinstance(value, dict) and key.lower() != "static_headers" else {}
        # An ignored key would not be ignored without the one that has capitals.
        is_free = "ignored" not in config.values() and "ignored" not in members.values()
        moved = [name for name in members if is_free and random.random() < 0.3]
        rest = {name: member for name, member in members.items() if name not in moved}
        if rest or not members:
            dotted[key] = rest or value
        dotted |= {f"{key}.{name}": members[name] for name in moved}
    return dotted
