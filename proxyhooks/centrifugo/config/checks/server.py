"""Checks of the configuration as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...._wire.codes import ERRORS, disconnect_is_terminal
from ..connection_rate import ONE_CONNECTION_A_SECOND
from ..findings import Finding
from .context import Context
from .options import namespaces_in
from .refusals.references import CHANNEL_PROXIES

_TOKEN_KEYS: Final = ("hmac_secret_key", "rsa_public_key", "ecdsa_public_key", "jwks_public_endpoint")


def tokens_besides_connect(context: Context) -> Iterator[Finding]:
    token = context.root.below("client.token")
    keys = [token.path_of(key) for key in _TOKEN_KEYS if token.text(key)]
    if context.root.is_on("client.insecure_skip_token_signature_verify"):
        keys.append("client.insecure_skip_token_signature_verify")
    if keys and context.root.is_on("client.proxy.connect.enabled"):
        text = "Centrifugo calls the connect hook only for clients that bring no token"
        fix = f"remove {' and '.join(keys)}, unless this is intended"
        yield Finding(id="PH023", path=keys[0], text=text, fix=fix)


def temporary_error_becomes_final(context: Context) -> Iterator[Finding]:
    transforms = context.root.below("client.connect_code_to_unidirectional_disconnect")
    if not transforms.is_on("enabled"):
        return
    for transform in transforms.each("transforms"):
        code, disconnect = transform.number("code"), transform.number("to.code")
        if code in ERRORS and ERRORS[code].temporary and disconnect_is_terminal(disconnect):
            text = f"error {code} is temporary and becomes disconnect {disconnect}: one-way clients never come back"
            fix = "write a code of 4000 to 4499"
            yield Finding(id="PH014", path=transform.path_of("to.code"), text=text, fix=fix)


def unknown_engine(context: Context) -> Iterator[Finding]:
    """Centrifugo looks at these words when it starts, and not when it validates its configuration."""
    for key in ("engine.type", "presence_manager.type"):
        section, _, _ = key.partition(".")
        word = context.root.text(key)
        if word not in ("memory", "redis") and (section == "engine" or context.root.is_on(f"{section}.enabled")):
            text = f"{word!r} is none of the words that Centrifugo knows here: Centrifugo does not start"
            yield Finding(id="PH031", path=key, text=text, fix="write memory or redis")


def stream_over_http(context: Context) -> Iterator[Finding]:
    """Centrifugo looks at these endpoints when it starts, and not when it validates its configuration."""
    named = {proxy.name: proxy for proxy in context.root.each("proxies")}
    stream = CHANNEL_PROXIES[-1]
    for namespace in namespaces_in(context.root, "channel"):
        proxy = named.get(namespace.text(stream.name), context.root.below(stream.default))
        if namespace.is_on(stream.switch) and proxy.text("endpoint").startswith("http"):
            text = f"{proxy.path} is used for subscription streams, which need gRPC: Centrifugo does not start"
            fix = f"switch {stream.switch} off, or name a gRPC service"
            yield Finding(id="PH031", path=namespace.path_of(stream.switch), text=text, fix=fix)


def rate_limit_of_connections(context: Context) -> Iterator[Finding]:
    key = "client.connection_rate_limit"
    if (rate := context.root.number(key)) > 1:
        text = f"{ONE_CONNECTION_A_SECOND.format(rate=rate)}; the others get 503"
        fix = "remove it, and limit new connections in front of Centrifugo, such as with nginx's limit_req"
        yield Finding(id="PH037", path=key, text=text, fix=fix)


SERVER_CHECKS: Final = (
    tokens_besides_connect,
    temporary_error_becomes_final,
    unknown_engine,
    stream_over_http,
    rate_limit_of_connections,
)
