"""Consumers of message queues that lack an option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...findings import Finding
from ..options import Options
from .refusal import refusal

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "postgresql": ("dsn", "outbox_table_name"),
    "kafka": ("brokers", "topics", "consumer_group"),
    "redis_stream": ("address", "streams", "consumer_group"),
    "nats_jetstream": ("url", "stream_name", "durable_consumer_name"),
    "google_pub_sub": ("project_id", "subscriptions"),
    "azure_service_bus": ("queues",),
    "aws_sqs": ("queues",),
}
"""What a consumer of each type needs."""
_AZURE_IDENTITY: Final = ("fully_qualified_namespace", "tenant_id", "client_id", "client_secret")


def option_missing(root: Options) -> Iterator[Finding]:
    for consumer in root.each("consumers"):
        kind = consumer.text("type")
        if kind not in _NEEDED or not consumer.is_on("enabled"):
            continue
        options = consumer.below(kind)
        needed = _NEEDED[kind]
        if kind == "azure_service_bus":
            needed += _AZURE_IDENTITY if options.is_on("use_azure_identity") else ("connection_string",)
        for key in needed:
            if not options.text(key) and not options.texts(key):
                yield refusal(options, key, f"a consumer of the type {kind} needs {key}", f"set {key}")


def kafka_role_without_mechanism(root: Options) -> Iterator[Finding]:
    for options in _enabled(root, "kafka"):
        if options.text("assume_role_arn") and options.text("sasl_mechanism") != "aws-msk-iam":
            text = "assume_role_arn needs the sasl_mechanism aws-msk-iam"
            yield refusal(options, "assume_role_arn", text, '"sasl_mechanism": "aws-msk-iam"')


def unknown_deliver_policy(root: Options) -> Iterator[Finding]:
    for options in _enabled(root, "nats_jetstream"):
        policy = options.text("deliver_policy")
        if policy not in ("new", "all") and not options.is_on("use_existing_consumer"):
            text = f"{policy!r} is none of the words that Centrifugo knows here"
            yield refusal(options, "deliver_policy", text, "write new or all")


def _enabled(root: Options, kind: str) -> Iterator[Options]:
    for consumer in root.each("consumers"):
        if consumer.text("type") == kind and consumer.is_on("enabled"):
            yield consumer.below(kind)


CONSUMER_CHECKS: Final = (option_missing, kafka_role_without_mechanism, unknown_deliver_policy)
