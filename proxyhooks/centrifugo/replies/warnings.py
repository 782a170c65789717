"""Warnings: replies that are legal and surely not meant."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..._dispatch.events import Event
from ..._wire.codes import CUSTOM_DISCONNECTS, CUSTOM_ERRORS, DISCONNECTS, ERRORS, MAX_REASON
from ..._wire.fields import fields_of
from . import verdict as v
from .go_json import NotJson, parse, text_of

WARNINGS: Final[dict[str, str]] = {
    "silent-allow": "the reply says neither result nor error nor disconnect, which allows the operation",
    "several": "a reply has more than one of result, error and disconnect; disconnect beats error beats result",
    "unknown-field": "a field that Centrifugo does not know, and ignores",
    "ignored-refusal": "an error or disconnect in a reply that carries none; it is ignored",
    "both-twins": "a payload and its b64 twin; only one of them counts",
    "null-data": "null is not absent: it takes the place of what was there",
    "anonymous-connect": "the user is empty: the client is let in as anonymous",
    "channels-copied": "the result has the channels of the request, which are wishes of the client",
    "expire-at-past": "expire_at has passed, or is negative and counts as none",
    "never-expires": "a sub_refresh without expire_at: the subscription never expires again",
    "reconnect-loop": "a refusal of connect after which the client comes back, for ever",
    "odd-code": "a code outside of the ranges, which clients do not get or misread",
    "long-reason": "a reason of more than 32 bytes of ASCII",
    "final-temporary": "an error that is temporary by definition, without temporary: true",
    "binary-for-json": "bytes that are no JSON, for clients that speak JSON",
    "map-reported": "v6.9.1 carries an allowed map operation out and reports it to its client as 107",
}
"""The stable ids and what they mean."""


def add_warnings(
    verdict: v.Verdict,
    event: Event,
    reply: dict[str, Any],
    unknown: list[str],
    protocol: str,
    request: Mapping[str, Any],
) -> v.Verdict:
    """The verdict with the warnings of a reply that could be read."""
    texts = [
        *_envelope(event, reply, unknown),
        *_fields(event, reply.get("result"), unknown),
        *_refusal(verdict, event, reply),
        *_result(verdict, event, protocol, request),
    ]
    return dataclasses.replace(verdict, warnings=tuple(v.Warning(*text) for text in texts)) if texts else verdict


_Texts = Iterator[tuple[str, str]]


def _envelope(event: Event, reply: dict[str, Any], unknown: list[str]) -> _Texts:
    if event.carries_disconnect and event.name != "connect" and not reply:
        yield "silent-allow", "nothing in the reply says no, so Centrifugo allows it: say result, error or disconnect"
    if len(reply) > 1:
        yield "several", f"the reply has {', '.join(reply)}: only the first of disconnect, error, result counts"
    for key in unknown:
        if "." not in key and key.lower() in ("error", "disconnect"):
            yield "ignored-refusal", f"`{key}` is ignored: {event.name} knows only {_carried(event)}"


def _carried(event: Event) -> str:
    return " and ".join(["result", *["error"] * event.carries_error, *["disconnect"] * event.carries_disconnect])


def _fields(event: Event, result: dict[str, Any] | None, unknown: list[str]) -> _Texts:
    for key in unknown:
        head, _, name = key.rpartition(".")
        if key.lower() in ("error", "disconnect"):
            continue
        answer: Any = event.result
        known = [field.name for field in fields_of(answer)] if head == "result" else ["result", "error"]
        near = difflib.get_close_matches(name, known, 1)
        yield "unknown-field", f"`{key}` is ignored" + (f": did you mean {near[0]!r}?" if near else "")
    for name in result or ():
        if name.startswith("b64") and result and name[3:] in result and result[name]:
            yield "both-twins", f"`result.{name[3:]}` and `result.{name}`: send one of them"


def _refusal(verdict: v.Verdict, event: Event, reply: dict[str, Any]) -> _Texts:
    if event.name == "connect" and verdict.outcome == "disconnected" and verdict.comes_back:
        yield "reconnect-loop", f"after {verdict.code} the client connects again, and again: use 4500-4999 or 3503"
    if "disconnect" in reply:
        code, reason = verdict.code or 0, verdict.reason or ""
        if code == 3000:
            yield "odd-code", "3000: the client is told nothing, and comes back"
        elif code not in DISCONNECTS and code not in CUSTOM_DISCONNECTS:
            yield "odd-code", f"{code} is no disconnect code: custom ones are 4000-4999"
        if len(reason) > MAX_REASON or not reason.isascii():
            yield "long-reason", f"the reason {reason!r} is not 32 bytes of ASCII or less"
    elif "error" in reply:
        code, temporary = reply["error"].get("code", 0), reply["error"].get("temporary", False)
        if code not in ERRORS and code not in CUSTOM_ERRORS:
            what = "0 reaches the client as an error without a code" if code == 0 else f"{code} is no error code"
            yield "odd-code", f"{what}: custom ones are 400-1999"
        if code in ERRORS and ERRORS[code].temporary and not temporary:
            yield "final-temporary", f"{code} without temporary: true is final for the client"


def _result(verdict: v.Verdict, event: Event, protocol: str, request: Mapping[str, Any]) -> _Texts:
    result = verdict.result
    if verdict.code == 3506 and verdict.outcome == "disconnected" and "no JSON" in verdict.why:
        yield "binary-for-json", verdict.why
    if "has passed" in verdict.why or (result or {}).get("expire_at", 0) < 0:
        yield "expire-at-past", "expire_at is not in the future: are both clocks right, is it in seconds?"
    if not verdict.allowed:
        return
    for name in ("data", "info", "meta", "stream_data"):
        if result and name in result and result[name] is None and event.name != "rpc":
            yield "null-data", f"`result.{name}` is null, which is not the same as leaving it out"
    if event.name == "connect":
        assert result is not None
        if not result.get("user"):
            yield "anonymous-connect", "the result has no user: the client is let in as anonymous"
        wishes, given = set(request.get("channels") or ()), {*result.get("channels", ()), *result.get("subs", ())}
        if wishes and wishes <= given:
            yield "channels-copied", f"the client wished for {sorted(wishes)} and gets them all"
    if event.name == "sub_refresh" and not (result or {}).get("expire_at"):
        yield "never-expires", "without expire_at the subscription never expires again"
    if event.name in ("map_publish", "map_remove"):
        yield "map-reported", WARNINGS["map-reported"]
    data = (result or {}).get("data")
    if protocol == "json" and not event.result_reaches_client and isinstance(data, bytes):
        try:
            parse(text_of(data))
        except NotJson as error:
            yield "binary-for-json", f"`result.b64data` is no JSON ({error}): subscribers that speak JSON are closed"
