"""Keys of Centrifugo v5 and older, with their places in v6."""

from __future__ import annotations

from typing import Final

from .findings import Finding

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


def legacy_findings(path: str, key: str, _value: object) -> list[Finding]:
    """The finding about a key of v5; none if it is not one."""
    v6_key = V5_KEYS.get(key) if path == key else V5_NAMESPACE_KEYS.get(key) if "namespace" in path else None
    if v6_key is None:
        return []
    text = f"{key} is a key of Centrifugo v5, and v6 ignores it"
    return [Finding(id="PH012", path=path, text=text, fix=f"write {v6_key}")]


def variable_in_v6(name: str) -> str | None:
    """The name that v6 has for a variable of an older version, or ``None``."""
    place = V5_KEYS.get(name.removeprefix("CENTRIFUGO_").lower())
    return f"CENTRIFUGO_{place.replace('.', '_')}".upper() if place else None
