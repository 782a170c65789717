"""Replies as a backend might make them, with everything that can be odd about them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.paths import DATA

MESSAGES: dict[str, dict[str, str]] = json.loads((DATA / "messages.json").read_text())["messages"]
EVENTS: dict[str, dict[str, Any]] = json.loads((DATA / "messages.json").read_text())["events"]

STRINGS = ["", "a", "42", "ü", "\\ud800", "\\u0000", "x" * 300]
NUMBERS = [
    *("0", "-0", "1", "-1", "1.0", "1e3", "1E400", "0.5", "4294967295", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615"),
    *("18446744073709551616", "4102444800", "1" * 400, "01", "+1", ".5", "1.", "NaN", "Infinity", "0x10"),
]
WRONG = ["null", "true", "false", '"text"', "[]", "{}", "[1]", '{"a":1}', "1", '"1"', "1.5"]
PAYLOADS = ["null", "1", '"x"', '{"a": [1, 2]}', "[]", "1e400", "123456789012345678901234567890", '"\\ud83d"']
BASE64 = [
    "",
    "MQ==",
    "eyJhIjoxfQ==",
    "eA==",
    "/w==",
    "MQ",
    "MQ=",
    "M===",
    "MQ==\\n",
    "MQ\\r\\n==",
    "-_-_",
    "MR==",
    "M Q==",
    "é",
]


class Replies:
    """Random replies; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def make(self, event: str, oddity: str, base: dict[str, str]) -> tuple[int, bytes]:
        """Status and body.

        :param base: fields of a good result, as JSON texts, for what must be there.
        """
        made: tuple[int, bytes] = getattr(self, oddity)(event, dict(base))
        return made

    # One method for each oddity.

    def plain(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        return 200, self.result(event, base | self.good(event))

    def types(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        name = self.random.choice(self.names(event))
        return 200, self.result(event, base | self.good(event) | {name: self.random.choice(WRONG)})

    def numbers(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        names = [name for name, kind in self.kinds(event).items() if "int" in kind] or self.names(event)
        if self.random.random() < 0.3 and len(EVENTS[event]["reply_may_carry"]) > 1:
            number = self.random.choice(NUMBERS)
            return 200, f'{{"error":{{"code":{number},"message":"m"}}}}'.encode()
        return 200, self.result(
            event, base | self.good(event) | {self.random.choice(names): self.random.choice(NUMBERS)}
        )

    def nulls(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        names = self.random.sample(self.names(event), min(2, len(self.names(event))))
        parts = self.random.choice(["", '"error":null,', '"disconnect":null,'])
        body = self.result(event, base | self.good(event) | dict.fromkeys(names, "null"))
        whole = b'{"result":null}' if self.random.random() < 0.2 else b"{" + parts.encode() + body[1:]
        return 200, self.random.choice([whole, whole, whole, b"null", b"{}"])

    def duplicates(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        first, second = base | self.good(event), self.good(event)
        kind = self.random.randrange(3)
        if kind == 0:  # the whole result twice
            return 200, self.result(event, first)[:-1] + b"," + self.result(event, second)[1:]
        name = self.random.choice(self.names(event))
        one, other = self.random.choice(WRONG), self.value(event, name)
        twice = [(name, one), (name, other)] if kind == 1 else [(name, other), (name, one)]
        return 200, self.result(event, [*first.items(), *twice])

    def twins(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        names = [name for name in self.names(event) if f"b64{name}" in self.names(event)] or self.names(event)
        name = self.random.choice(names)
        fields = base | {f"b64{name}": f'"{self.random.choice(BASE64)}"'}
        if self.random.random() < 0.5:
            fields[name] = self.random.choice(PAYLOADS)
        return 200, self.result(event, fields)

    def precedence(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        code, temporary = self.random.choice([103, 1000, 0]), self.random.choice(["true", "false"])
        parts = [
            f'"result":{self.fields(event, base | self.good(event))}',
            f'"error":{{"code":{code},"message":"no","temporary":{temporary}}}',
            f'"disconnect":{{"code":{self.random.choice([4501, 4001, 3503])},"reason":"bye"}}',
        ]
        self.random.shuffle(parts)
        return 200, ("{" + ",".join(parts[: self.random.randint(1, 3)]) + "}").encode()

    def case(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        def mixed(text: str) -> str:
            change: list[Callable[[str], str]] = [str.upper, str.lower]
            return "".join(self.random.choice(change)(character) for character in text)

        fields = {mixed(name): value for name, value in (base | self.good(event)).items()}
        if self.random.random() < 0.2:
            fields = {name.replace("s", "\u017f").replace("k", "\u212a"): value for name, value in fields.items()}
        return 200, f'{{"{mixed("result")}":{self.fields(event, fields, mixed("items"))}}}'.encode()

    def statuses(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        status = self.random.choice(
            [201, 202, 203, 206, 300, 304, 400, 401, 403, 404, 418, 422, 429, 500, 502, 503, 504]
        )
        return status, self.result(event, base | self.good(event))

    def text(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        good = self.result(event, base | self.good(event))
        deep = self.random.choice([9_990, 10_000])
        odd: list[bytes] = [
            *(b"", b"null", b"[]", b"1", b'"{}"', b"<html></html>", b"\xef\xbb\xbf" + good, good + b"x", good + good),
            *(b" \t\r\n" + good + b" \n", good[:-1], good[:-1] + b",}", b"\xa0" + good, b"[" + good + b"]", b"{'a':1}"),
            *(good.replace(b"{", b"{ ", 1), good[:-1] + b',"x":"\xff\xfe"}', good[:-1] + b',"x":"\x01"}'),
            *(good[:-1] + b',"x":' + b"[" * deep + b"]" * deep + b"}", good[:-1] + b',"new":{"a":[1]}}', b"\x00"),
            *(good[:-1] + b',"x":"\\x"}', good[:-1] + b',"x":tru}', b"/* */" + good, good[:-1] + b',"":1}'),
        ]
        return 200, self.random.choice(odd)

    def refusals(self, event: str, base: dict[str, str]) -> tuple[int, bytes]:
        code = self.random.choice([0, 100, 101, 103, 109, 110, 111, 400, 1999, 2000, 3500, 2**32 - 1])
        temporary = self.random.choice(["", ',"temporary":true', ',"temporary":false', ',"temporary":null'])
        if self.random.random() < 0.7:
            return (
                200,
                f'{{"error":{{"code":{code},"message":"{self.random.choice(STRINGS[:4])}"{temporary}}}}}'.encode(),
            )
        code = self.random.choice([3000, 3001, 3500, 3503, 4000, 4499, 4500, 4999])
        return (
            200,
            f'{{"disconnect":{{"code":{code},"reason":"{self.random.choice(["", "bye", "x" * 33])}"}}}}'.encode(),
        )

    # The parts.

    def kinds(self, event: str) -> dict[str, str]:
        """The fields of a result; for polls those of an item, and what is around it."""
        kinds = MESSAGES[EVENTS[event]["result"]]
        return MESSAGES["SharedPollRefreshResultItem"] | kinds if event == "shared_poll_refresh" else kinds

    def names(self, event: str) -> list[str]:
        return list(self.kinds(event))

    def good(self, event: str) -> dict[str, str]:
        """Some fields with values that fit."""
        names = [
            name for name in self.names(event) if name not in ("expire_at", "expired", "channels", "subs", "items")
        ]
        chosen = self.random.sample(names, self.random.randint(0, min(3, len(names))))
        return {name: self.value(event, name) for name in chosen}

    def value(self, event: str, name: str) -> str:
        kind = self.kinds(event)[name]
        if name.startswith("b64"):
            return f'"{base64.b64encode(self.random.choice(PAYLOADS[:5]).encode()).decode()}"'
        if name == "idempotency_key":
            return f'"{self.random.getrandbits(60)}"'
        values = {
            "string": [f'"{text}"' for text in STRINGS[:5]],
            "json": PAYLOADS[:5],
            "bool": ["true", "false"],
            "int64": ["0", "4102444800", "-1"],
            "uint64": ["0"],
            "object of string": ['{"a":"b"}', '{"a":null}', "{}"],
            "array of string": ['["sub"]', "[]", "[null]"],
            "SubscribeOptionOverride": ['{"presence":{"value":true}}', '{"join_leave":null}', "{}", '{"presence":{}}'],
            "FilterNode": ['{"op":"and","nodes":[{"key":"a","cmp":"eq","val":"b"}]}', "{}"],
        }
        return self.random.choice(values.get(kind, ["{}" if not kind.startswith("array") else "[]"]))

    def fields(self, event: str, fields: Mapping[str, str] | list[tuple[str, str]], items: str = "items") -> str:
        pairs = list(fields.items()) if isinstance(fields, Mapping) else fields
        if event == "shared_poll_refresh" and not any(name == "items" for name, _ in pairs):
            around = [(name, value) for name, value in pairs if name.lower() == "epoch"]
            item = [pair for pair in pairs if pair not in around]
            return _object([(items, f"[{_object(item)}]"), *around])
        return _object(pairs)

    def result(self, event: str, fields: Mapping[str, str] | list[tuple[str, str]]) -> bytes:
        return f'{{"result":{self.fields(event, fields)}}}'.encode()


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"


ODDITIES = (
    *("plain", "types", "numbers", "nulls", "duplicates", "twins", "precedence", "case", "statuses", "text"),
    "refusals",
)
