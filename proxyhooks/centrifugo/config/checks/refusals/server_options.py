"""Options of the server, of tokens and of all channels that Centrifugo refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...findings import Finding
from ..options import Options
from .refusal import refusal, whole_seconds

_CLAIM: Final = re.compile("[a-zA-Z_]+")


def cleartext_http2(root: Options) -> Iterator[Finding]:
    server = root.below("http_server")
    if not server.is_on("h2c_external"):
        return
    if server.text("internal_port") in ("", str(server.number("port"))):
        text = "h2c_external needs an internal_port that is not the port of the clients"
        yield refusal(server, "h2c_external", text, '"internal_port": "9000"')
    if server.is_on("tls.enabled"):
        yield refusal(server, "h2c_external", "h2c_external cannot be on beside tls", "switch one of the two off")


def user_id_claim(root: Options) -> Iterator[Finding]:
    for key in ("client.token.user_id_claim", "client.subscription_token.user_id_claim"):
        claim = root.text(key)
        if claim and not _CLAIM.fullmatch(claim):
            text = f"the claim {claim!r} must be letters of A-Z a-z and _"
            yield refusal(root, key, text, "name another claim of the token")


def history_meta_ttl(root: Options) -> Iterator[Finding]:
    return whole_seconds(root, "channel.history_meta_ttl")


def single_connection_without_presence(root: Options) -> Iterator[Finding]:
    personal = root.below("client.subscribe_to_user_personal_channel")
    name = personal.text("personal_channel_namespace")
    if not personal.is_on("single_connection"):
        return
    namespaces = [namespace for namespace in root.each("channel.namespaces") if name == namespace.name]
    if not name or not personal.is_on("enabled"):
        namespaces.append(root.below("channel.without_namespace"))
    for namespace in namespaces:
        if not namespace.is_on("presence"):
            text = f"single_connection needs the presence of {namespace.path}"
            yield refusal(personal, "single_connection", text, f'"presence": true in {namespace.path}')


SERVER_OPTION_CHECKS: Final = (cleartext_http2, user_id_claim, history_meta_ttl, single_connection_without_presence)
