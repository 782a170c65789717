"""The keys of Centrifugo v5 and older, with the place that each has in v6."""

from __future__ import annotations

from typing import Final

# Each row: a prefix in v5, a section of v6, and the names that stayed the same behind them.
_SAME_NAMES: Final = (
    ("", "client", "allowed_origins allow_anonymous_connect_without_token disallow_anonymous_connection_tokens "
     "ping_interval pong_timeout"),
    ("client_", "client", "insecure insecure_skip_token_signature_verify user_id_http_header expired_close_delay "
     "expired_sub_close_delay stale_close_delay channel_limit queue_max_size presence_update_interval "
     "user_connection_limit concurrency channel_position_check_delay channel_position_max_time_lag connection_limit "
     "connection_rate_limit connect_include_server_time history_max_publication_limit "
     "recovery_max_publication_limit connect_code_to_unidirectional_disconnect"),
    ("token_", "client.token", "hmac_secret_key rsa_public_key ecdsa_public_key jwks_public_endpoint audience "
     "audience_regex issuer issuer_regex user_id_claim"),
    ("subscription_token_", "client.subscription_token", "hmac_secret_key rsa_public_key ecdsa_public_key "
     "jwks_public_endpoint audience audience_regex issuer issuer_regex user_id_claim"),
    ("channel_", "channel", "max_length private_prefix namespace_boundary user_boundary user_separator"),
    ("", "channel.without_namespace", "presence join_leave force_push_join_leave history_size history_ttl "
     "history_meta_ttl force_positioning allow_positioning force_recovery allow_recovery force_recovery_mode "
     "allowed_delta_types delta_publish allow_subscribe_for_anonymous allow_subscribe_for_client "
     "allow_publish_for_anonymous allow_publish_for_client allow_publish_for_subscriber "
     "allow_presence_for_anonymous allow_presence_for_client allow_presence_for_subscriber "
     "allow_history_for_anonymous allow_history_for_client allow_history_for_subscriber "
     "allow_user_limited_channels channel_regex subscribe_proxy_name publish_proxy_name sub_refresh_proxy_name "
     "subscribe_stream_proxy_name"),
    ("proxy_connect_", "client.proxy.connect", "endpoint timeout"),
    ("proxy_refresh_", "client.proxy.refresh", "endpoint timeout"),
    ("proxy_subscribe_", "channel.proxy.subscribe", "endpoint timeout"),
    ("proxy_publish_", "channel.proxy.publish", "endpoint timeout"),
    ("proxy_sub_refresh_", "channel.proxy.sub_refresh", "endpoint timeout"),
    ("proxy_subscribe_stream_", "channel.proxy.subscribe_stream", "endpoint timeout"),
    ("proxy_rpc_", "rpc.proxy", "endpoint timeout"),
    ("rpc_", "rpc", "namespace_boundary"),
    ("", "http_server", "address port internal_address internal_port tls_external"),
    ("tls_autocert_", "http_server.tls_autocert", "host_whitelist cache_dir email server_name http http_addr"),
    ("api_", "http_api", "key error_mode external insecure handler_prefix"),
    ("grpc_api_", "grpc_api", "error_mode address port key reflection max_receive_message_size"),
    ("admin_", "admin", "password secret insecure web_path web_proxy_address external handler_prefix"),
    ("websocket_", "websocket", "compression compression_min_size compression_level read_buffer_size "
     "use_write_buffer_pool write_buffer_size write_timeout message_size_limit handler_prefix"),
    ("uni_websocket_", "uni_websocket", "compression compression_min_size compression_level read_buffer_size "
     "use_write_buffer_pool write_buffer_size write_timeout message_size_limit handler_prefix"),
    ("uni_sse_", "uni_sse", "max_request_body_size handler_prefix connect_code_to_http_response"),
    ("uni_http_stream_", "uni_http_stream", "max_request_body_size handler_prefix connect_code_to_http_response"),
    ("uni_grpc_", "uni_grpc", "address port max_receive_message_size"),
    ("sse_", "sse", "max_request_body_size handler_prefix"),
    ("http_stream_", "http_stream", "max_request_body_size handler_prefix"),
    ("emulation_", "emulation", "max_request_body_size handler_prefix"),
    ("webtransport_", "webtransport", "handler_prefix"),
    ("prometheus_", "prometheus", "handler_prefix"),
    ("health_", "health", "handler_prefix"),
    ("swagger_", "swagger", "handler_prefix"),
    ("graphite_", "graphite", "host port prefix interval tags"),
    ("opentelemetry_", "opentelemetry", "api consuming"),
    ("log_", "log", "level file"),
    ("redis_", "engine.redis", "address prefix connect_timeout io_timeout db user password client_name force_resp2 "
     "cluster_address sentinel_address sentinel_user sentinel_password sentinel_master_name sentinel_client_name "
     "presence_hash_field_ttl"),
    ("nats_", "broker.nats", "url prefix dial_timeout write_timeout allow_wildcards raw_mode tls"),
    ("node_", "node", "info_metrics_aggregate_interval"),
    ("shutdown_", "shutdown", "timeout"),
)  # fmt: skip

# The names of v5 for certificates, behind a prefix that ends in tls.
_TLS_NAMES: Final = {
    "": "enabled",
    "_cert": "cert_pem",
    "_cert_pem": "cert_pem",
    "_key": "key_pem",
    "_key_pem": "key_pem",
    "_root_ca": "server_ca_pem",
    "_root_ca_pem": "server_ca_pem",
    "_client_ca": "client_ca_pem",
    "_client_ca_pem": "client_ca_pem",
    "_server_name": "server_name",
    "_insecure_skip_verify": "insecure_skip_verify",
}
_TLS_SECTIONS: Final = {
    "tls": "http_server.tls",
    "grpc_api_tls": "grpc_api.tls",
    "uni_grpc_tls": "uni_grpc.tls",
    "redis_tls": "engine.redis.tls",
    "redis_sentinel_tls": "engine.redis.sentinel_tls",
}

_SWITCHES: Final = (
    "admin debug graphite grpc_api health http_stream opentelemetry prometheus sse swagger uni_grpc uni_http_stream "
    "uni_sse uni_websocket webtransport"
)
SWITCHES: Final[dict[str, str]] = {
    **{key: f"{key}.enabled" for key in _SWITCHES.split()},
    "engine": "engine.type",
    "broker": "broker.type",
}
"""Keys that v6 has too, but as objects, with the place of what v5 wrote there: ``"admin": true``."""

MOVED: Final[dict[str, str]] = {
    **{prefix + name: f"{section}.{name}" for prefix, section, names in _SAME_NAMES for name in names.split()},
    **{
        prefix + suffix: f"{section}.{name}"
        for prefix, section in _TLS_SECTIONS.items()
        for suffix, name in _TLS_NAMES.items()
    },
    "api_disable": "http_api.disabled",
    "global_history_meta_ttl": "channel.history_meta_ttl",
    "global_presence_ttl": "engine.redis.presence_ttl",
    "global_redis_presence_user_mapping": "engine.redis.presence_user_mapping",
    "http3": "http_server.http3.enabled",
    "name": "node.name",
    "namespaces": "channel.namespaces",
    "proxy_publish": "channel.without_namespace.publish_proxy_enabled",
    "proxy_sub_refresh": "channel.without_namespace.sub_refresh_proxy_enabled",
    "proxy_subscribe": "channel.without_namespace.subscribe_proxy_enabled",
    "proxy_subscribe_stream": "channel.without_namespace.subscribe_stream_proxy_enabled",
    "proxy_subscribe_stream_bidirectional": "channel.without_namespace.subscribe_stream_proxy_bidirectional",
    # v5 reads this one on the top level, and proxy_subscribe_stream in a namespace.
    "proxy_stream_subscribe": "channel.without_namespace.subscribe_stream_proxy_enabled",
    "redis_use_lists": "engine.redis.history_use_lists",
    "rpc_namespaces": "rpc.namespaces",
    "rpc_ping": "rpc.ping.enabled",
    "rpc_ping_method": "rpc.ping.method",
    "rpc_proxy_name": "rpc.without_namespace.proxy_name",
    "separate_subscription_token_config": "client.subscription_token.enabled",
    "tls_autocert": "http_server.tls_autocert.enabled",
    "usage_stats_disable": "usage_stats.disabled",
    "user_personal_channel_namespace": "client.subscribe_to_user_personal_channel.personal_channel_namespace",
    "user_personal_single_connection": "client.subscribe_to_user_personal_channel.single_connection",
    "user_subscribe_to_personal": "client.subscribe_to_user_personal_channel.enabled",
    "websocket_disable": "websocket.disabled",
}
"""Keys on the top level of a v5 configuration, with their places in v6."""

OF_EACH_PROXY: Final[dict[str, str]] = {
    "proxy_binary_encoding": "binary_encoding",
    "proxy_grpc_cert_file": "grpc.tls.server_ca_pem",
    "proxy_grpc_compression": "grpc.compression",
    "proxy_grpc_credentials_key": "grpc.credentials_key",
    "proxy_grpc_credentials_value": "grpc.credentials_value",
    "proxy_grpc_metadata": "grpc_metadata",
    "proxy_grpc_tls": "grpc.tls",
    "proxy_http_headers": "http_headers",
    "proxy_http_status_code_transforms": "http.status_to_code_transforms",
    "proxy_include_connection_meta": "include_connection_meta",
    "proxy_static_http_headers": "http.static_headers",
}
"""Keys on the top level of v5 that held for all proxies; v6 has them in each proxy, under these names."""

NAMED_PROXIES: Final = {"connect_proxy_name": "client.proxy.connect", "refresh_proxy_name": "client.proxy.refresh"}
"""Keys that chose one of ``proxies`` in v5; these two proxies of v6 are objects of their own."""

OLDER: Final[dict[str, tuple[int, str]]] = {
    "presence_ttl": (4, "engine.redis.presence_ttl"),
    "redis_tls_skip_verify": (4, "engine.redis.tls.insecure_skip_verify"),
    "uni_websocket_ping_interval": (4, "client.ping_interval"),
    "websocket_ping_interval": (4, "client.ping_interval"),
    "client_anonymous": (3, "client.allow_anonymous_connect_without_token"),
    "redis_read_timeout": (3, "engine.redis.io_timeout"),
    "redis_write_timeout": (3, "engine.redis.io_timeout"),
    "client_message_write_timeout": (2, "websocket.write_timeout"),
    "client_ping_interval": (2, "client.ping_interval"),
    "client_presence_expire_interval": (2, "engine.redis.presence_ttl"),
    "client_presence_ping_interval": (2, "client.presence_update_interval"),
    "client_request_max_size": (2, "websocket.message_size_limit"),
    "memory_history_meta_ttl": (2, "channel.history_meta_ttl"),
    "proxy_extra_http_headers": (2, "client.proxy.connect.http_headers"),
    "redis_cluster_addrs": (2, "engine.redis.cluster_address"),
    "redis_history_meta_ttl": (2, "channel.history_meta_ttl"),
    "redis_host": (2, "engine.redis.address"),
    "redis_master_name": (2, "engine.redis.sentinel_master_name"),
    "redis_port": (2, "engine.redis.address"),
    "redis_presence_ttl": (2, "engine.redis.presence_ttl"),
    "redis_sentinels": (2, "engine.redis.sentinel_address"),
    "redis_sequence_ttl": (2, "channel.history_meta_ttl"),
    "redis_url": (2, "engine.redis.address"),
    "secret": (2, "client.token.hmac_secret_key"),
}
"""Keys on the top level that v5 no longer had: the last version that had them, and the place in v6."""

NAMESPACE: Final[dict[str, tuple[int, str]]] = {
    "proxy_publish": (5, "publish_proxy_enabled"),
    "proxy_sub_refresh": (5, "sub_refresh_proxy_enabled"),
    "proxy_subscribe": (5, "subscribe_proxy_enabled"),
    "proxy_subscribe_stream": (5, "subscribe_stream_proxy_enabled"),
    "proxy_subscribe_stream_bidirectional": (5, "subscribe_stream_proxy_bidirectional"),
    "anonymous": (3, "allow_subscribe_for_anonymous"),
    "position": (3, "force_positioning"),
    "publish": (3, "allow_publish_for_client"),
    "recover": (3, "force_recovery"),
    "subscribe_to_publish": (3, "allow_publish_for_subscriber"),
    "history_lifetime": (2, "history_ttl"),
    "history_recover": (2, "force_recovery"),
}
"""Keys of a namespace, with the last version that had them and their names in v6."""

PROXY: Final[dict[str, str]] = {
    **{key.removeprefix("proxy_"): name for key, name in OF_EACH_PROXY.items() if key.removeprefix("proxy_") != name},
    "http_status_to_code_transforms": "http.status_to_code_transforms",
}
"""Keys of a proxy in v5, with their names in a proxy of v6."""

TLS: Final[dict[str, str]] = {
    f"{name}{form}": new
    for name, new in {
        "cert_pem": "cert_pem",
        "key_pem": "key_pem",
        "server_ca_pem": "server_ca_pem",
        "root_ca_pem": "server_ca_pem",
        "client_ca_pem": "client_ca_pem",
    }.items()
    for form in ("", "_file", "_b64")
    if name + form != new
}
"""Keys of a TLS object in v5, with their names in v6, which takes a path, base64 or PEM in one key."""

KAFKA: Final[dict[str, str]] = {
    **{f"tls{suffix}": f"tls.{name}" for suffix, name in _TLS_NAMES.items() if suffix},
    "partition_buffer_size": "partition_queue_max_size",
}
"""Keys of a Kafka consumer in v5, with their names in v6."""

PRO: Final[dict[str, str]] = {
    "admin_oidc": "admin.oidc",
    "channel_namespace_for_transport_messages_received": "prometheus.channel_namespace_resolution",
    "channel_namespace_for_transport_messages_sent": "prometheus.channel_namespace_resolution",
    "channel_patterns": "channel.patterns",
    "client_command_rate_limit": "client.rate_limit.client_command",
    "client_error_limits": "client.rate_limit.client_error",
    "client_max_messages_in_frame": "client.max_messages_in_frame",
    "client_queue_initial_cap": "client.queue_initial_cap",
    "client_reply_without_queue": "client.reply_without_queue",
    "client_write_delay": "client.write_delay",
    "partitioned_presence": "state.num_presence_partitions",
    "proxy_cache_empty_endpoint": "channel.proxy.cache_empty.endpoint",
    "proxy_cache_empty_timeout": "channel.proxy.cache_empty.timeout",
    "proxy_state_endpoint": "channel.proxy.state.endpoint",
    "proxy_state_timeout": "channel.proxy.state.timeout",
    "redis_user_command_rate_limit": "client.rate_limit.redis_user_command",
    "state_vacated_event_delay": "state.vacated_event_delay",
    "use_singleflight": "singleflight.enabled",
    "user_command_rate_limit": "client.rate_limit.user_command",
    "websocket_compression_prepared_message_cache_size": "websocket.compression_prepared_message_cache_size",
}
"""Keys on the top level of Centrifugo PRO v5, with their places in PRO v6."""
PRO_NAMESPACE: Final = {"proxy_cache_empty": "cache_empty_proxy_enabled", "proxy_state": "state_proxy_enabled"}
"""Keys of a namespace in Centrifugo PRO v5, with their names in PRO v6."""

_NO_SOCKJS: Final = "v6 has no SockJS; without WebSocket the SDK uses http_stream.enabled or sse.enabled"
_NO_TARANTOOL: Final = 'v6 has no Tarantool engine; for several nodes write engine.type: "redis"'
_NO_OLD_PROTOCOL: Final = "v6 speaks one version of the client protocol"
_SHUT_BY_DEFAULT: Final = "v6 lets no client {} allows it"

GONE: Final[dict[str, tuple[int, str]]] = {
    "gomaxprocs": (5, "the variable GOMAXPROCS does this"),
    "granular_proxy_mode": (
        5,
        "in v6 a namespace may name a proxy at any time, and needs the ..._proxy_enabled beside the ..._proxy_name",
    ),
    "grpc_api_tls_disable": (5, "in v6 the gRPC API has TLS only with grpc_api.tls.enabled"),
    "shutdown_termination_delay": (5, "v6 has no such delay"),
    "uni_grpc_tls_disable": (5, "in v6 this transport has TLS only with uni_grpc.tls.enabled"),
    **dict.fromkeys(("sockjs", "sockjs_handler_prefix", "sockjs_url"), (5, _NO_SOCKJS)),
    **{f"tarantool_{name}": (5, _NO_TARANTOOL) for name in ("address", "mode", "password", "user")},
    "disable_client_protocol_v1": (4, _NO_OLD_PROTOCOL),
    "skip_user_check_in_subscription_token": (4, "v6 always compares the user of a subscription token"),
    "sockjs_heartbeat_delay": (4, _NO_SOCKJS),
    "use_client_protocol_v1_by_default": (4, _NO_OLD_PROTOCOL),
    "redis_idle_timeout": (3, "v6 keeps its connections to Redis"),
    "use_unlimited_history_by_default": (3, "client.history_max_publication_limit is the limit in v6"),
    "grpc_api_insecure": (2, "in v6 the gRPC API is open where grpc_api.key is not set"),
    "redis_pubsub_num_workers": (2, "v6 chooses the number"),
    "redis_streams": (2, "v6 uses streams unless engine.redis.history_use_lists is true"),
    "sockjs_disable": (2, _NO_SOCKJS),
    "tls_autocert_force_rsa": (2, "v6 has no such option"),
    "v3_use_offset": (2, "v6 always does so"),
}
"""Keys on the top level that v6 has no place for: the last version that had them, and the reason."""
GONE_FROM_NAMESPACES: Final[dict[str, tuple[int, str]]] = {
    "history_disable_for_client": (3, _SHUT_BY_DEFAULT.format("read the history unless allow_history_for_subscriber")),
    "presence_disable_for_client": (3, _SHUT_BY_DEFAULT.format("see presence unless allow_presence_for_subscriber")),
    "protected": (3, _SHUT_BY_DEFAULT.format("subscribe unless allow_subscribe_for_client or a subscribe proxy")),
    "history_drop_inactive": (2, "v6 has no such option"),
    "server_side": (2, _SHUT_BY_DEFAULT.format("subscribe unless allow_subscribe_for_client or a subscribe proxy")),
}
"""Keys of a namespace that v6 has no name for: the last version that had them, and the reason."""
