"""Transforms of statuses and codes that Centrifugo refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...findings import Finding
from ..options import Options
from .references import used_proxies
from .refusal import refusal

_MAX_REASON: Final = 123
"""Bytes; what fits into the close frame of a WebSocket."""


def status_transforms(root: Options) -> Iterator[Finding]:
    proxies = {proxy.path: proxy for proxy, _ in used_proxies(root)}
    for proxy in proxies.values():
        for transform in proxy.each("http.status_to_code_transforms"):
            yield from _check_status_transform(transform)


def _check_status_transform(transform: Options) -> Iterator[Finding]:
    error, disconnect = transform.number("to_error.code"), transform.number("to_disconnect.code")
    if not transform.number("status_code"):
        yield refusal(transform, "status_code", "a transform needs a status_code", '"status_code": 503')
    if not error and not disconnect:
        text = "a transform needs a code in to_error or in to_disconnect"
        yield refusal(transform, "to_error.code", text, '"to_error": {"code": 100, "temporary": true}')
    if error and disconnect:
        text = "a transform cannot have a code in to_error and one in to_disconnect"
        yield refusal(transform, "to_disconnect.code", text, "remove one of the two")
    for key in ("to_error.message", "to_disconnect.reason"):
        text = transform.text(key)
        if not text.isascii():
            yield refusal(transform, key, f"{text!r} is not ASCII", "write it in ASCII")
        elif len(text) > _MAX_REASON:
            yield refusal(transform, key, f"the text has {len(text)} characters, and 123 fit", "shorten it")


def http_response_transforms(root: Options) -> Iterator[Finding]:
    for key in ("uni_sse", "uni_http_stream"):
        for transform in root.each(f"{key}.connect_code_to_http_response.transforms"):
            if not transform.number("code"):
                yield refusal(transform, "code", "a transform needs a code", '"code": 103')
            if not transform.number("to.status_code"):
                text = "a transform needs the status_code of the response"
                yield refusal(transform, "to.status_code", text, '"to": {"status_code": 403}')


def disconnect_transforms(root: Options) -> Iterator[Finding]:
    for transform in root.each("client.connect_code_to_unidirectional_disconnect.transforms"):
        if not transform.number("code"):
            yield refusal(transform, "code", "a transform needs a code", '"code": 103')
        if not transform.number("to.code"):
            text = "a transform needs the code of the disconnect"
            yield refusal(transform, "to.code", text, '"to": {"code": 4503, "reason": "..."}')
        if not transform.text("to.reason").isascii():
            yield refusal(transform, "to.reason", "the reason is not ASCII", "write it in ASCII")


TRANSFORM_CHECKS: Final = (status_transforms, http_response_transforms, disconnect_transforms)
