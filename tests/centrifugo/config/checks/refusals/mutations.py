"""Configurations of Centrifugo with few random changes of names, references and options; every value has its type."""

from __future__ import annotations

import copy
import random
from typing import Any, Final

URL: Final = "http://127.0.0.1:8070/centrifugo"
NAMESPACES: Final = 7
_TRANSFORM: Final = {"status_code": 503, "to_error": {"code": 100, "message": "busy", "temporary": True}}


def good() -> dict[str, Any]:
    """A configuration that Centrifugo takes and that has one of everything."""
    return copy.deepcopy(_GOOD)


_GOOD: Final[dict[str, Any]] = {
    "http_server": {"port": 8000, "internal_port": "9000"},
    "broker": {"type": "memory"},
    "map_broker": {"type": "memory"},
    "shared_poll": {"hmac_secret_key": "k"},
    "client": {
        "token": {"user_id_claim": "user_id"},
        "proxy": {
            "connect": {
                "enabled": True,
                "endpoint": f"{URL}/connect",
                "http": {"status_to_code_transforms": [copy.deepcopy(_TRANSFORM)]},
            },
            "refresh": {"enabled": True, "endpoint": f"{URL}/refresh"},
        },
        "subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "personal"},
        "connect_code_to_unidirectional_disconnect": {
            "enabled": True,
            "transforms": [{"code": 103, "to": {"code": 4503, "reason": "forbidden"}}],
        },
    },
    "channel": {
        "history_meta_ttl": "48h",
        "proxy": {
            name: {"endpoint": f"{URL}/{name}"}
            for name in ("subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh")
        }
        | {"subscribe_stream": {"endpoint": "grpc://127.0.0.1:12000"}},
        "without_namespace": {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True},
        "namespaces": [
            {
                "name": "chat",
                "subscribe_proxy_enabled": True,
                "publish_proxy_enabled": True,
                "publish_proxy_name": "shop",
                "sub_refresh_proxy_enabled": True,
                "history_size": 10,
                "history_ttl": "300s",
                "force_recovery": True,
                "map_clients_presence_channel_prefix": "clients:",
                "map_users_presence_channel_prefix": "users:",
            },
            {"name": "personal", "presence": True},
            {"name": "stream", "subscribe_stream_proxy_enabled": True},
            {
                "name": "board",
                "subscription_type": "map",
                "map": {
                    "mode": "recoverable",
                    "key_ttl": "1h",
                    "stream_size": 10,
                    "stream_ttl": "5m",
                    "meta_ttl": "10m",
                    "publish_proxy_enabled": True,
                    "remove_proxy_enabled": True,
                    "default_page_size": 20,
                    "min_page_size": 10,
                    "max_page_size": 30,
                },
            },
            {"name": "clients", "subscription_type": "map_clients", "map": {"mode": "ephemeral", "key_ttl": "60s"}},
            {"name": "users", "subscription_type": "map_users", "map": {"mode": "ephemeral", "key_ttl": "60s"}},
            {"name": "poll", "subscription_type": "shared_poll", "shared_poll": {"mode": "versioned"}},
        ],
    },
    "rpc": {
        "proxy": {"endpoint": f"{URL}/rpc"},
        "without_namespace": {"proxy_enabled": True},
        "namespaces": [{"name": "users", "proxy_enabled": True, "proxy_name": "shop"}],
    },
    "proxies": [
        {"name": "shop", "endpoint": f"{URL}/shop", "http": {"status_to_code_transforms": [copy.deepcopy(_TRANSFORM)]}},
        {"name": "spare", "endpoint": f"{URL}/spare"},
    ],
    "consumers": [
        {"name": "outbox", "enabled": True, "type": "postgresql",
         "postgresql": {"dsn": "postgres://u:p@h/d", "outbox_table_name": "outbox"}},
        {"name": "events", "enabled": True, "type": "kafka",
         "kafka": {"brokers": ["h:9092"], "topics": ["t"], "consumer_group": "g"}},
        {"name": "redis", "enabled": True, "type": "redis_stream",
         "redis_stream": {"streams": ["s"], "consumer_group": "g"}},
        {"name": "nats", "enabled": True, "type": "nats_jetstream",
         "nats_jetstream": {"stream_name": "s", "durable_consumer_name": "d"}},
        {"name": "google", "enabled": True, "type": "google_pub_sub",
         "google_pub_sub": {"project_id": "p", "subscriptions": ["s"]}},
        {"name": "azure", "enabled": True, "type": "azure_service_bus",
         "azure_service_bus": {"connection_string": "c", "queues": ["q"]}},
        {"name": "aws", "enabled": True, "type": "aws_sqs", "aws_sqs": {"queues": ["q"]}},
    ],
    "uni_sse": {"connect_code_to_http_response": {
        "enabled": True, "transforms": [{"code": 103, "to": {"status_code": 403}}]}},
    "uni_http_stream": {"connect_code_to_http_response": {
        "enabled": True, "transforms": [{"code": 103, "to": {"status_code": 403}}]}},
}  # fmt: skip

_NAMES: Final = [
    "chat",
    "board",
    "users",
    "shop",
    "spare",
    "default",
    "personal",
    "a-b.c_d",
    "x",
    "",
    "a b",
    "é1",
    "ab\n",
    "outbox",
]
_DURATIONS: Final = ["0s", "1ms", "1500ms", "1s", "30s", "60s", "5m", "10m", "1h", "72h", "721h", "-1s", "-1500ms"]
_BOOLEANS: Final = [True, False]
_NUMBERS: Final = [0, 1, 5, 10, 15, 20, 25, 30, 50, -1]
_PROXIES: Final = ["", "default", "shop", "spare", "none"]
_FORMATS: Final = ["", "json", "json_object", "binary", "xml"]
_CODES: Final = [0, 100, 4503]
_TEXTS: Final = ["", "busy", "besetzt – später", "x" * 123, "x" * 124]
_REGEXES: Final = [
    "", "^[a-z]+$", "(", "[", ")", "*", "a|*", "a**", "a++", "a?+", "(?i)abc", "a(?i)*", "(?=x)", r"(?<!x)y", "(?>x)",
    "(?#x)y", "(?P<n>x)", "(?<n>x)", "(?P=n)", r"(a)\1", r"\\1", r"\pL+", r"\p{Greek}", r"\d{1,3}", "a{2,1}", "x{1000}",
    "x{1001}", "x{,3}", "[[:alpha:]]+", r"\Qa.b\E", r"\z", r"\Z", r"\y", "{", "(?U)x+", "[]a]", "[^]]", "(|a)+", "^*",
]  # fmt: skip
_NAMESPACE_VALUES: Final[dict[str, list[Any]]] = {
    "name": _NAMES,
    "history_size": _NUMBERS,
    "history_ttl": _DURATIONS,
    "history_meta_ttl": _DURATIONS,
    "force_recovery": _BOOLEANS,
    "force_recovery_mode": ["", "stream", "cache", "snapshot"],
    "auto_cache_recover": _BOOLEANS,
    "presence": _BOOLEANS,
    "channel_regex": _REGEXES,
    "publication_data_format": _FORMATS,
    "allowed_delta_types": [[], ["fossil"], ["xdelta"], ["fossil", ""]],
    "subscription_type": ["", "stream", "map", "map_clients", "map_users", "shared_poll", "poll"],
    "map_clients_presence_channel_prefix": ["", "clients:", "clients:x:", "users:", "none:", "client", ":", "clients"],
    "map_users_presence_channel_prefix": ["", "users:", "chat:", "none:", "user", ":x", "users:u"],
    **dict.fromkeys(
        [f"{event}_proxy_enabled" for event in ("subscribe", "publish", "sub_refresh", "subscribe_stream")], _BOOLEANS
    ),
    **{f"{event}_proxy_name": _PROXIES for event in ("subscribe", "publish", "sub_refresh", "subscribe_stream")},
    "map.mode": ["", "ephemeral", "recoverable", "persistent", "durable"],
    "map.client_key": ["", "client_id", "user_id", "id"],
    **dict.fromkeys(["map.key_ttl", "map.stream_ttl", "map.meta_ttl"], _DURATIONS),
    **dict.fromkeys(["map.stream_size", "map.min_page_size", "map.default_page_size", "map.max_page_size"], _NUMBERS),
    **dict.fromkeys(
        ["map.publish_proxy_enabled", "map.remove_proxy_enabled", "map.remove_client_on_unsubscribe"], _BOOLEANS
    ),
    "map.publish_proxy_name": _PROXIES,
    "map.remove_proxy_name": _PROXIES,
    "shared_poll.proxy_name": _PROXIES,
    "shared_poll.mode": ["", "versioned", "versionless", "other"],
    "shared_poll.publish_enabled": _BOOLEANS,
}
_TRANSFORM_VALUES: Final[dict[str, list[Any]]] = {
    "status_code": [0, 404],
    "to_error.code": _CODES,
    "to_error.message": _TEXTS,
    "to_disconnect.code": _CODES,
    "to_disconnect.reason": _TEXTS,
}
_VALUES: Final[dict[str, list[Any]]] = {
    "http_server.h2c_external": _BOOLEANS,
    "http_server.internal_port": ["", "8000", "9000"],
    "http_server.port": [0, 8000, 9000],
    "http_server.tls.enabled": _BOOLEANS,
    "broker.type": ["", "memory", "nats", "redis", "redisnats", "postgres", "kafka"],
    "map_broker.type": ["", "memory", "redis", "postgres", "nats"],
    "shared_poll.hmac_secret_key": ["", "k"],
    "client.token.user_id_claim": ["", "user_id", "user-id", "user.id", "user1"],
    "client.subscription_token.user_id_claim": ["", "sub", "sub "],
    "client.proxy.connect.enabled": _BOOLEANS,
    "client.proxy.refresh.enabled": _BOOLEANS,
    "client.proxy.connect.endpoint": ["", URL],
    "client.proxy.refresh.endpoint": ["", URL],
    "client.proxy.connect.timeout": _DURATIONS,
    **{f"client.proxy.connect.http.status_to_code_transforms.0.{key}": v for key, v in _TRANSFORM_VALUES.items()},
    **{f"proxies.0.http.status_to_code_transforms.0.{key}": v for key, v in _TRANSFORM_VALUES.items()},
    "rpc.proxy.http": [{"status_to_code_transforms": [{"status_code": 503}]}],
    "channel.proxy.sub_refresh.http": [{"status_to_code_transforms": [{"status_code": 503}]}],
    "client.subscribe_to_user_personal_channel.enabled": _BOOLEANS,
    "client.subscribe_to_user_personal_channel.single_connection": _BOOLEANS,
    "client.subscribe_to_user_personal_channel.personal_channel_namespace": ["", "chat", "personal", "none"],
    "client.connect_code_to_unidirectional_disconnect.transforms.0.code": _CODES,
    "client.connect_code_to_unidirectional_disconnect.transforms.0.to.code": _CODES,
    "client.connect_code_to_unidirectional_disconnect.transforms.0.to.reason": _TEXTS,
    "uni_sse.connect_code_to_http_response.transforms.0.code": _CODES,
    "uni_http_stream.connect_code_to_http_response.transforms.0.to.status_code": [0, 403],
    "channel.history_meta_ttl": _DURATIONS,
    "channel.publication_data_format": _FORMATS,
    "channel.namespace_boundary": ["", ":", "/", "::"],
    **{
        f"channel.proxy.{event}.endpoint": ["", URL]
        for event in ("subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh")
    },
    "channel.proxy.subscribe_stream.endpoint": ["", "grpc://127.0.0.1:12000"],
    "rpc.proxy.endpoint": ["", URL],
    "rpc.without_namespace.proxy_name": ["", "default", "shop", "none"],
    "rpc.namespaces.0.name": _NAMES,
    "rpc.namespaces.0.proxy_name": ["", "default", "spare", "none"],
    "proxies.0.name": _NAMES,
    "proxies.1.name": _NAMES,
    "proxies.1.endpoint": ["", URL],
    "proxies.1.timeout": _DURATIONS,
    **{f"consumers.{index}.name": _NAMES for index in range(7)},
    **{f"consumers.{index}.enabled": _BOOLEANS for index in range(7)},
    **{f"consumers.{index}.type": ["", "kafka", "rabbitmq"] for index in range(7)},
    "consumers.0.postgresql.dsn": ["", "d"],
    "consumers.0.postgresql.outbox_table_name": ["", "t"],
    "consumers.1.kafka.brokers": [[], ["b"]],
    "consumers.1.kafka.topics": [[], ["t"]],
    "consumers.1.kafka.consumer_group": ["", "g"],
    "consumers.1.kafka.assume_role_arn": ["", "arn"],
    "consumers.1.kafka.sasl_mechanism": ["", "plain", "aws-msk-iam"],
    "consumers.1.kafka.publication_data_mode": [{"enabled": True}, {"enabled": True, "channels_header": ""}],
    "consumers.2.redis_stream.streams": [[], ["s"]],
    "consumers.2.redis_stream.address": [[], ["redis://h:6379"]],
    "consumers.2.redis_stream.consumer_group": ["", "g"],
    "consumers.3.nats_jetstream.url": ["", "nats://h:4222"],
    "consumers.3.nats_jetstream.stream_name": ["", "s"],
    "consumers.3.nats_jetstream.durable_consumer_name": ["", "d"],
    "consumers.3.nats_jetstream.deliver_policy": ["", "new", "all", "last"],
    "consumers.3.nats_jetstream.use_existing_consumer": _BOOLEANS,
    "consumers.4.google_pub_sub.project_id": ["", "p"],
    "consumers.4.google_pub_sub.subscriptions": [[], ["s"]],
    "consumers.5.azure_service_bus.connection_string": ["", "c"],
    "consumers.5.azure_service_bus.queues": [[], ["q"]],
    "consumers.5.azure_service_bus.use_azure_identity": _BOOLEANS,
    "consumers.6.aws_sqs.queues": [[], ["q"]],
}


def single_changes() -> list[tuple[str, Any]]:
    """Each change alone: a path and its value."""
    in_namespaces = {
        f"channel.{namespace}.{key}": values
        for namespace in ("without_namespace", *(f"namespaces.{index}" for index in range(NAMESPACES)))
        for key, values in _NAMESPACE_VALUES.items()
        if (namespace, key) != ("without_namespace", "name")
    }
    return [(path, value) for path, values in (_VALUES | in_namespaces).items() for value in values]


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The good configuration with these changes."""
    config = good()
    for path, value in changes:
        _set(config, path.split("."), copy.deepcopy(value))
    return config


def random_changes(seed: int) -> list[tuple[str, Any]]:
    """One to four changes. The same seed gives the same."""
    random_ = random.Random(seed)
    return random_.sample(single_changes(), random_.randint(1, 4))


def _set(config: Any, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        config = config[int(key)] if isinstance(config, list) else config.setdefault(key, {})
    config[keys[-1]] = value
