"""The configuration of the Centrifugo of these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.paths import SECRET

POLL_SECRET = "p0ll"
"""Signs the keys of shared polls that a client may track."""
CHANNEL_EVENTS = ("subscribe", "publish", "sub_refresh", "map_publish", "map_remove", "shared_poll_refresh")


def configuration(port: int, backend: str, log: Path, *, binary: bool) -> str:
    """A config.json with every proxy that Centrifugo has without a PRO licence."""

    def proxy(event: str) -> dict[str, Any]:
        return {
            "endpoint": f"{backend}/centrifugo/{event}",
            "binary_encoding": binary,
            "include_connection_meta": True,
            "http": {"static_headers": {"X-Proxyhooks-Secret": SECRET}},
        }

    enabled = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True, "sub_refresh_proxy_enabled": True}
    config = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "info", "file": str(log)},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
        "client": {
            "proxy": {event: {"enabled": True, **proxy(event)} for event in ("connect", "refresh")},
            # Centrifugo checks in this interval whether a subscription has expired.
            "presence_update_interval": "1s",
            "expired_sub_close_delay": "1ms",
        },
        "channel": {
            "proxy": {event: proxy(event) for event in CHANNEL_EVENTS},
            "without_namespace": {"subscribe_proxy_enabled": True},
            "namespaces": [
                {"name": "chat", "allow_user_limited_channels": True, **enabled},
                {"name": "room", **enabled},
                {
                    # No subscribe proxy: Centrifugo would refuse every subscription to a map.
                    "name": "board",
                    "allow_subscribe_for_client": True,
                    "subscription_type": "map",
                    "map": {
                        "mode": "ephemeral",
                        "key_ttl": "60s",
                        "publish_proxy_enabled": True,
                        "remove_proxy_enabled": True,
                    },
                },
                {
                    "name": "poll",
                    "allow_subscribe_for_client": True,
                    "subscription_type": "shared_poll",
                    "shared_poll": {"refresh_interval": "300ms"},
                },
            ],
        },
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
        "shared_poll": {"hmac_secret_key": POLL_SECRET},
        "uni_sse": {"enabled": True},
        "uni_http_stream": {"enabled": True},
        "uni_websocket": {"enabled": True},
    }
    return json.dumps(config, indent=2)
