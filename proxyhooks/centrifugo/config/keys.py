"""The keys of Centrifugo's configuration (v6.9.1) that concern proxies, channels and methods, and those of v5."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from ..._dispatch.events import EVENTS

KeyTree: TypeAlias = dict[str, Any]
"""Each key with the keys below it: a tree, ``[tree]`` for a list of objects, ``None`` where they are not listed."""


def _keys(names: str, **trees: Any) -> KeyTree:
    return dict.fromkeys(names.split()) | trees


def _proxies_in(section: str) -> list[str]:
    """The keys of the proxies in ``client.proxy`` or ``channel.proxy``."""
    return [event.proxy.rpartition(".")[2] for event in EVENTS.values() if event.section == section]


_PROXY: Final = _keys(
    "endpoint timeout http_headers grpc_metadata emulated_headers binary_encoding include_connection_meta grpc",
    http=_keys("tls static_headers status_to_code_transforms"),
)
_MAP: Final = _keys(
    "mode key_ttl stream_size stream_ttl meta_ttl remove_client_on_unsubscribe client_key allow_publish_for_client "
    "allow_publish_for_subscriber allow_publish_for_anonymous allow_remove_for_client allow_remove_for_subscriber "
    "allow_remove_for_anonymous publish_proxy_enabled publish_proxy_name remove_proxy_enabled remove_proxy_name "
    "default_page_size min_page_size max_page_size live_transition_max_publication_limit subscribe_catch_up_timeout"
)
_SHARED_POLL: Final = _keys(
    "proxy_name refresh_interval refresh_batch_size max_keys_per_connection mode channel_shutdown_delay "
    "track_expired_extra_delay publish_enabled"
)
_NAMESPACE: Final = _keys(
    "presence join_leave force_push_join_leave map_clients_presence_channel_prefix "
    "map_users_presence_channel_prefix history_size history_ttl history_meta_ttl force_positioning "
    "allow_positioning force_recovery allow_recovery force_recovery_mode auto_cache_recover allowed_delta_types "
    "allow_tags_filter delta_publish allow_subscribe_for_anonymous allow_subscribe_for_client "
    "allow_publish_for_anonymous allow_publish_for_subscriber allow_publish_for_client "
    "allow_presence_for_anonymous allow_presence_for_subscriber allow_presence_for_client "
    "allow_history_for_anonymous allow_history_for_subscriber allow_history_for_client "
    "allow_user_limited_channels channel_regex publication_data_format subscribe_proxy_enabled "
    "subscribe_proxy_name publish_proxy_enabled publish_proxy_name sub_refresh_proxy_enabled "
    "sub_refresh_proxy_name subscribe_stream_proxy_enabled subscribe_stream_proxy_name "
    "subscribe_stream_proxy_bidirectional subscription_type cache_empty_proxy_enabled cache_empty_proxy_name "
    "state_proxy_enabled state_proxy_name",
    map=_MAP,
    shared_poll=_SHARED_POLL,
)
_RPC: Final = _keys("proxy_enabled proxy_name")
KEYS: Final = _keys(
    "http_server log engine broker presence_manager map_broker controller shared_poll http_api grpc_api consumers "
    "websocket sse http_stream webtransport uni_sse uni_http_stream uni_websocket uni_grpc emulation admin prometheus "
    "health swagger debug init opentelemetry graphite usage_stats node shutdown pid_file enable_unreleased_features",
    client=_keys(
        "allowed_origins token subscription_token allow_anonymous_connect_without_token "
        "disallow_anonymous_connection_tokens ping_interval pong_timeout expired_close_delay expired_sub_close_delay "
        "stale_close_delay channel_limit queue_max_size presence_update_interval concurrency "
        "channel_position_check_delay channel_position_max_time_lag connection_limit user_connection_limit "
        "connection_rate_limit connect_include_server_time history_max_publication_limit "
        "recovery_max_publication_limit insecure_skip_token_signature_verify user_id_http_header insecure "
        "subscribe_to_user_personal_channel connect_code_to_unidirectional_disconnect",
        proxy={name: _PROXY | {"enabled": None} for name in _proxies_in("client")},
    ),
    channel=_keys(
        "history_meta_ttl publication_data_format max_length private_prefix namespace_boundary user_boundary "
        "user_separator",
        proxy=dict.fromkeys([*_proxies_in("channel"), "subscribe_stream"], _PROXY),
        without_namespace=_NAMESPACE,
        namespaces=[_NAMESPACE | {"name": None}],
    ),
    rpc=_keys("ping namespace_boundary", proxy=_PROXY, without_namespace=_RPC, namespaces=[_RPC | {"name": None}]),
    proxies=[_PROXY | {"name": None}],
)

V5_KEYS: Final[dict[str, str]] = {
    "allowed_origins": "client.allowed_origins",
    "token_hmac_secret_key": "client.token.hmac_secret_key",
    "token_rsa_public_key": "client.token.rsa_public_key",
    "token_ecdsa_public_key": "client.token.ecdsa_public_key",
    "token_jwks_public_endpoint": "client.token.jwks_public_endpoint",
    "api_key": "http_api.key",
    "admin_password": "admin.password",
    "admin_secret": "admin.secret",
    "address": "http_server.address",
    "port": "http_server.port",
    "proxy_connect_endpoint": "client.proxy.connect.endpoint",
    "proxy_connect_timeout": "client.proxy.connect.timeout",
    "proxy_refresh_endpoint": "client.proxy.refresh.endpoint",
    "proxy_refresh_timeout": "client.proxy.refresh.timeout",
    "proxy_subscribe_endpoint": "channel.proxy.subscribe.endpoint",
    "proxy_subscribe_timeout": "channel.proxy.subscribe.timeout",
    "proxy_publish_endpoint": "channel.proxy.publish.endpoint",
    "proxy_publish_timeout": "channel.proxy.publish.timeout",
    "proxy_sub_refresh_endpoint": "channel.proxy.sub_refresh.endpoint",
    "proxy_sub_refresh_timeout": "channel.proxy.sub_refresh.timeout",
    "proxy_rpc_endpoint": "rpc.proxy.endpoint",
    "proxy_rpc_timeout": "rpc.proxy.timeout",
    "proxy_http_headers": "http_headers of each proxy",
    "proxy_static_http_headers": "http.static_headers of each proxy",
    "proxy_binary_encoding": "binary_encoding of each proxy",
    "proxy_include_connection_meta": "include_connection_meta of each proxy",
    "granular_proxy_mode": "proxies, and the *_proxy_name of namespaces",
    "connect_proxy_name": "client.proxy.connect",
    "refresh_proxy_name": "client.proxy.refresh",
    "namespaces": "channel.namespaces",
    "rpc_namespaces": "rpc.namespaces",
    "proxy_subscribe": "channel.without_namespace.subscribe_proxy_enabled",
    "proxy_publish": "channel.without_namespace.publish_proxy_enabled",
    "proxy_sub_refresh": "channel.without_namespace.sub_refresh_proxy_enabled",
    "client_connection_rate_limit": "client.connection_rate_limit",
    "client_concurrency": "client.concurrency",
    "presence": "channel.without_namespace.presence",
    "join_leave": "channel.without_namespace.join_leave",
    "history_size": "channel.without_namespace.history_size",
    "history_ttl": "channel.without_namespace.history_ttl",
    "allow_subscribe_for_client": "channel.without_namespace.allow_subscribe_for_client",
    "allow_publish_for_client": "channel.without_namespace.allow_publish_for_client",
}
"""Keys on the top level of a v5 configuration, with their places in v6."""
V5_NAMESPACE_KEYS: Final[dict[str, str]] = {
    "proxy_subscribe": "subscribe_proxy_enabled",
    "proxy_publish": "publish_proxy_enabled",
    "proxy_sub_refresh": "sub_refresh_proxy_enabled",
    "proxy_subscribe_stream": "subscribe_stream_proxy_enabled",
}
"""Keys of a namespace in v5, with their names in v6."""
