"""Warnings about replies that Centrifugo accepts and that are almost certainly mistakes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from ..._dispatch.events import Event
from ..._wire.codes import CUSTOM_DISCONNECTS, CUSTOM_ERRORS, DISCONNECTS, ERRORS, MAX_REASON
from ..._wire.fields import fields_of
from ..go.json import NotJson, decode_utf8, parse
from . import verdict as v
from .go_reader import Base64Text

WARNINGS: Final[dict[str, str]] = {
    "silent-allow": "the reply has no result, error or disconnect, which allows the operation",
    "several": "the reply has more than one of result, error and disconnect; disconnect beats error beats result",
    "unknown-field": "the reply has a field that Centrifugo does not know, and ignores",
    "ignored-refusal": "Centrifugo ignores the error or disconnect in the reply: it expects none for this event",
    "both-twins": "the result has a payload and its b64 twin; only one of them counts",
    "null-data": "a payload is null, which replaces the earlier value; an absent field keeps it",
    "anonymous-connect": "the result has no user, so the client connects as an anonymous user",
    "channels-copied": "the result has all the channels that the client asked for",
    "expire-at-past": "expire_at is in the past; or it is negative, and Centrifugo takes it for absent",
    "never-expires": "the result of sub_refresh has no expire_at, so the subscription never expires again",
    "reconnect-loop": "the client reconnects after this refusal of connect, and is refused again, in an endless loop",
    "odd-code": (
        "the code is wrong: an error has one of Centrifugo's or 400-1999, a disconnect one of Centrifugo's (but not "
        "3000) or 4000-4999"
    ),
    "long-reason": "the reason is not ASCII, or has more than 32 bytes",
    "final-temporary": "the reply lacks temporary: true for a temporary error of Centrifugo, so the client gives up",
    "binary-for-json": "the payload has bytes that are not JSON, and the client speaks JSON",
    "map-reported": "Centrifugo v6.9.1 carries out an allowed map operation and reports it to its client as error 107",
}
"""The meaning of each warning, by its id. The ids are stable under semantic versioning."""

_IdsAndTexts: TypeAlias = Iterator[tuple[str, str]]
"""Pairs of the id and the text of a warning."""


def add_warnings(
    verdict: v.Verdict,
    event: Event,
    reply: dict[str, Any],
    unknown_keys: list[str],
    protocol: str,
    request: Mapping[str, Any],
) -> v.Verdict:
    """Return the verdict with the warnings about a reply that Centrifugo can read."""
    ids_and_texts = [
        *_about_envelope(event, reply, unknown_keys),
        *_about_fields(event, reply.get("result"), unknown_keys),
        *_about_refusal(verdict, event, reply),
        *_about_time(verdict, event),
        *_about_allowed(verdict, event, request),
        *_about_binary(verdict, event, protocol),
    ]
    return dataclasses.replace(verdict, warnings=tuple(v.Warning(id_, text) for id_, text in ids_and_texts))


def _about_envelope(event: Event, reply: dict[str, Any], unknown_keys: list[str]) -> _IdsAndTexts:
    if event.carries_disconnect and event.opens != "connection" and not reply:
        yield "silent-allow", "an empty reply allows the operation: send a result, an error or a disconnect"
    if len(reply) > 1:
        yield "several", f"the reply has {', '.join(reply)}: only the first of disconnect, error, result counts"
    for key in unknown_keys:
        if _is_refusal(key):
            known = ["result", *["error"] * event.carries_error, *["disconnect"] * event.carries_disconnect]
            yield "ignored-refusal", f"Centrifugo ignores `{key}`: a reply to {event.name} has {' and '.join(known)}"


def _is_refusal(unknown_key: str) -> bool:
    return unknown_key.lower() in ("error", "disconnect")


def _about_fields(event: Event, result: dict[str, Any] | None, unknown_keys: list[str]) -> _IdsAndTexts:
    message: Any = event.result
    for key in unknown_keys:
        if _is_refusal(key):
            continue
        parent, _, name = key.rpartition(".")
        known = [field.name for field in fields_of(message)] if parent == "result" else ["result", "error"]
        near = difflib.get_close_matches(name, known, 1)
        yield "unknown-field", f"Centrifugo ignores `{key}`" + (f": did you mean {near[0]!r}?" if near else "")
    for name, value in (result or {}).items():
        plain_name = name.removeprefix("b64")
        if isinstance(value, Base64Text) and value.text and result and plain_name in result:
            yield "both-twins", f"`result.{plain_name}` and `result.{name}` are both set: send one of them"


def _about_refusal(verdict: v.Verdict, event: Event, reply: dict[str, Any]) -> _IdsAndTexts:
    if event.opens == "connection" and verdict.outcome == "disconnected" and verdict.comes_back:
        yield (
            "reconnect-loop",
            f"the client reconnects after {verdict.code}, and is refused again: use a code of 4500-4999, or 3503",
        )
    if "disconnect" in reply:
        code, reason = verdict.code or 0, verdict.reason or ""
        if code == 3000:
            yield "odd-code", "Centrifugo sends the client nothing for 3000, and it reconnects: use 3503, or 4000-4999"
        elif code not in DISCONNECTS and code not in CUSTOM_DISCONNECTS:
            yield "odd-code", f"{code} is not a disconnect code: custom codes are 4000-4999"
        if len(reason) > MAX_REASON or not reason.isascii():
            yield "long-reason", f"the reason {reason!r} must be ASCII of at most {MAX_REASON} bytes"
    elif "error" in reply:
        code, temporary = reply["error"].get("code", 0), reply["error"].get("temporary", False)
        if code not in ERRORS and code not in CUSTOM_ERRORS:
            problem = "0 reaches the client as an error without a code" if code == 0 else f"{code} is not an error code"
            yield "odd-code", f"{problem}: custom codes are 400-1999"
        if code in ERRORS and ERRORS[code].temporary and not temporary:
            yield "final-temporary", f"error {code} is final for the client: add temporary: true"


def _about_time(verdict: v.Verdict, event: Event) -> _IdsAndTexts:
    expire_at = (verdict.result or {}).get("expire_at", 0)
    if verdict.cause == "expire-at-past" or expire_at < 0:
        yield (
            "expire-at-past",
            "expire_at is not in the future: it is in Unix seconds, and the clocks of both servers must agree",
        )
    if verdict.allowed and event.extends == "subscription" and not expire_at:
        yield "never-expires", "the subscription never expires again: set expire_at"


def _about_allowed(verdict: v.Verdict, event: Event, request: Mapping[str, Any]) -> _IdsAndTexts:
    if not verdict.allowed:
        return
    result = verdict.result or {}
    replies_to_caller = event.result_has_data and event.result_reaches_client and event.opens is None
    for name in ("data", "info", "meta", "stream_data"):
        if name in result and result[name] is None and not replies_to_caller:
            yield (
                "null-data",
                f"`result.{name}` is null, which replaces the earlier value: leave it out to keep that",
            )
    if event.opens == "connection":
        if not result.get("user"):
            yield "anonymous-connect", "`result.user` is empty, so the client connects as an anonymous user"
        requested = set(request.get("channels") or ())
        if requested and requested <= {*result.get("channels", ()), *result.get("subs", ())}:
            text = f"the client asked for {sorted(requested)} and gets them all: check each channel"
            yield "channels-copied", text
    if event.subscription_type == "map":
        yield "map-reported", WARNINGS["map-reported"]


def _about_binary(verdict: v.Verdict, event: Event, protocol: str) -> _IdsAndTexts:
    if verdict.cause == "binary-for-json":
        yield "binary-for-json", verdict.why
    data = (verdict.result or {}).get("data")
    if verdict.allowed and protocol == "json" and not event.result_reaches_client and isinstance(data, bytes):
        try:
            parse(decode_utf8(data))
        except NotJson as error:
            text = f"`result.b64data` is not JSON ({error}): subscribers that speak JSON are disconnected"
            yield "binary-for-json", text
