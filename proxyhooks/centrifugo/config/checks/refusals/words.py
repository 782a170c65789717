"""Options that are one of a few words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...channels import MAP_TYPES
from ...findings import Finding
from ..options import Options, namespaces_in
from .references import polls
from .refusal import refusal

_FORMATS: Final = ("json", "json_object", "binary")
WORDS: Final[dict[str, tuple[str, ...]]] = {
    "broker.type": ("memory", "nats", "redis", "redisnats", "postgres"),
    "map_broker.type": ("memory", "redis", "postgres"),
    "channel.publication_data_format": _FORMATS,
}
NAMESPACE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "force_recovery_mode": ("stream", "cache"),
    "publication_data_format": _FORMATS,
    "subscription_type": ("stream", *MAP_TYPES, "shared_poll"),
    "map.mode": ("ephemeral", "recoverable", "persistent"),
    "map.client_key": ("client_id", "user_id"),
    "allowed_delta_types": ("fossil",),
}
POLL_WORDS: Final[dict[str, tuple[str, ...]]] = {"shared_poll.mode": ("versionless", "versioned")}
CONSUMER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "type": (
        "postgresql", "kafka", "nats_jetstream", "google_pub_sub", "aws_sqs", "azure_service_bus", "redis_stream",
    ),
}  # fmt: skip


def unknown_word(root: Options) -> Iterator[Finding]:
    yield from _check(root, WORDS)
    for options in namespaces_in(root, "channel"):
        yield from _check(options, NAMESPACE_WORDS | (POLL_WORDS if polls(options) else {}))
    for consumer in root.each("consumers"):
        if consumer.text("type"):
            yield from _check(consumer, CONSUMER_WORDS)
        else:
            words = ", ".join(CONSUMER_WORDS["type"])
            yield refusal(consumer, "type", "a consumer needs a type", f"write one of {words}")


def _check(options: Options, table: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    for key, words in table.items():
        text = options.text(key)
        for word in [text] if text else options.texts(key):
            if word not in words:
                problem = f"{word!r} is none of the words that Centrifugo knows here"
                yield refusal(options, key, problem, f"write one of {', '.join(words)}")


WORD_CHECKS: Final = (unknown_word,)
