"""Random values for the keys of Centrifugo's configuration: right ones, weakly right ones and wrong ones."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from proxyhooks.centrifugo.config.keys import PRO_KEYS, Key


@dataclass(frozen=True)
class Raw:
    """A value that is written into the file as it is, whatever the format makes of it."""

    text: str


NAMES = ["chat", "news", "my-chat", "shop.one", "user_1", "Games", "to"]
BAD_NAMES = ["x", "", "default", "a b", "a:b", "\u00e9t\u00e9", "$chat", "a/b", 5, None]
WORDS: dict[str, list[str]] = {
    "engine.type": ["memory", "redis"],
    "broker.type": ["memory", "redis", "nats", "postgres"],
    "presence_manager.type": ["memory", "redis"],
    "map_broker.type": ["memory", "redis", "postgres"],
    "log.level": ["info", "debug", "none"],
    "force_recovery_mode": ["", "stream", "cache"],
    "publication_data_format": ["", "json", "json_object", "binary"],
    "client_key": ["", "client_id", "user_id"],
    "subscription_type": ["", "stream", "map", "map_clients", "map_users", "shared_poll"],
    "map.mode": ["", "ephemeral", "recoverable", "persistent"],
    "shared_poll.mode": ["", "versioned", "versionless"],
    "allowed_delta_types": ["fossil"],
    "consumers[].type": [
        "kafka",
        "postgresql",
        "nats_jetstream",
        "redis_stream",
        "google_pub_sub",
        "aws_sqs",
        "azure_service_bus",
    ],
    "channel_regex": ["", "^[a-z]+$", "(", "[0-9]{1,3}"],
    "user_id_claim": ["", "sub", "user_id", "user.id"],
    "personal_channel_namespace": ["", *NAMES[:3]],
    "_proxy_name": ["", "default", *NAMES[:3]],
    "proxy_name": ["", "default", *NAMES[:3]],
    "presence_channel_prefix": ["", *(f"{name}:" for name in NAMES[:2]), "x"],
    "namespace_boundary": ["", ":", "/", "."],
    "endpoint": ["http://127.0.0.1:8070/centrifugo", "grpc://127.0.0.1:1", ""],
}
"""Words of keys that take only some, by the end of their paths."""
TEXTS = ["", "a", "true", "yes", "1", "0x10", "5s", "a b", "https://a.example", "\u00e9", "null", "[]", "${HOME}"]
DURATIONS = ["5s", "1m30s", "500ms", "0", "1.5h", "24h", "1s", "10s", ".5s", "-1s", "+2s", "2\u00b5s", "1h0m0s"]
BAD_DURATIONS = ["5", "", "5 s", "1d", "s", "1,5s", "five", "3000000h", "\u0663s"]
INTEGERS = ["0", "1", "8000", "-1", "0x10", "0o17", "017", "0b11", "1_000", "+5", "", "0_7", "00"]
BAD_INTEGERS = ["5.0", " 5", "1e3", "5s", "08", "1__0", "_1", "1_", "9223372036854775808", "0x", "--1", "\u0665", "a"]
BOOLEANS = ["true", "false", "1", "0", "t", "F", "True", "TRUE", ""]
BAD_BOOLEANS = ["yes", "on", "y", "tRUE", "2", " true", "enabled"]
NUMBERS: list[Any] = [0, 1, 5, 100, -1, 1.0, 1.5, 2**31, 2**40, Raw("1e3"), Raw("1.5e1"), Raw("-0.0"), Raw("2.50")]
OTHERS: list[Any] = [[], ["a"], [1], {"a": "b"}, {"enabled": True}, [{"a": 1}], [[]], [None], True, 7, "text"]
YAML_SCALARS = [
    "yes", "no", "on", "off", "y", "~", "null", "True", "0o17", "017", "08", "0x1F", "1_000", "1e3", ".5", "5.", "+5",
    "0b11", ".inf", "-.INF", ".nan", "2020-01-01", "2020-13-01", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z",
    "2020-01-01t1:2:3.5+01:00", "!!str 5", "!!int '5'", "!!float 5", "!!bool 'true'", "!!binary YQ==", "!custom 5",
    "'5'", '"5"', "!!int x", "!!null ''", "1:30", "0.1.2", "12e03", "1__0", "-0b11", "-0o7", "=", "<<", "a b", "5s",
    "18446744073709551615", "18446744073709551616", "9223372036854775808", "190:20:30", "0x1p-2", "_1",
    "!!timestamp 2020-01-01",
]  # fmt: skip


class Values:
    """Makes values with one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.wrong = 0.05
        """The probability that a value is a wrong one."""

    def happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def value(self, key: Key, path: str) -> Any:
        """A value of the file."""
        if self.happens(0.02):
            return None
        if self.happens(0.02):
            return Raw(self.chance.choice(YAML_SCALARS))
        if self.happens(self.wrong / 2):
            return self.chance.choice(OTHERS)
        match key.kind:
            case "object":
                return self.object(key, path)
            case "objects":
                return self.objects(key, path)
            case "headers":
                return self.headers()
            case "strings":
                items = [self.string(path) for _ in range(self.chance.randint(0, 3))]
                return self.string(path) if self.happens(0.2) else items
        text = self.text(key, path)
        if key.kind == "string":
            return self.chance.choice([1, 1.5, True, False, 10**6, Raw("1e21")]) if self.happens(0.1) else text
        if self.happens(0.5):
            return text
        if key.kind == "bool" and self.happens(0.9):
            return self.happens(0.5)
        return self.chance.choice(NUMBERS)

    def text(self, key: Key, path: str) -> Any:
        """A value as a text, such as that of a variable."""
        is_wrong = self.happens(self.wrong)
        match key.kind:
            case "bool":
                return self.chance.choice(BAD_BOOLEANS if is_wrong else BOOLEANS)
            case "int":
                return self.chance.choice(BAD_INTEGERS if is_wrong else INTEGERS)
            case "duration":
                return self.chance.choice(BAD_DURATIONS if is_wrong else DURATIONS)
        return self.string(path)

    def string(self, path: str) -> Any:
        words = next((words for end, words in WORDS.items() if path.endswith(end)), None)
        if words is not None and not self.happens(0.02):
            return self.chance.choice(words)
        if path.endswith("].name"):
            return self.name()
        return self.chance.choice(TEXTS)

    def name(self) -> Any:
        return self.chance.choice(BAD_NAMES if self.happens(0.04) else NAMES)

    def object(self, key: Key, path: str, count: int | None = None) -> dict[str, Any]:
        """An object with some of its keys."""
        count = self.chance.choice([0, 1, 1, 2, 3]) if count is None else count
        names = self._names(key, count)
        return {name: self.value(key.keys[name], f"{path}.{name}") for name in names}

    def _names(self, key: Key, count: int) -> list[str]:
        names = [name for name in key.keys if name not in PRO_KEYS]
        return self.chance.sample(names, min(count, len(names)))

    def objects(self, key: Key, path: str) -> Any:
        items = [self.item(key, f"{path}[]") for _ in range(self.chance.choice([0, 1, 1, 2, 3]))]
        if "name" in key.keys and not self.happens(0.05):
            for item, name in zip(items, self.chance.sample(NAMES, len(items)), strict=True):
                item["name"] = name
        return items[0] if items and self.happens(0.05) else items

    def item(self, key: Key, path: str) -> dict[str, Any]:
        item = self.object(key, path)
        if key.type == "NamedProxy":
            item.setdefault("endpoint", "http://127.0.0.1:8070")
        if key.type == "Consumer":
            item.setdefault("type", "kafka")
        if key.type.endswith("Transform") and not self.happens(0.2):
            item["status_code" if "status_code" in key.keys else "code"] = self.chance.choice([404, "500", 503.0])
            item.setdefault("to_error" if "to_error" in key.keys else "to", {"code": 4001, "status_code": 400})
            if isinstance(target := next(iter(item.values())), dict):
                target.pop("status_code", None)
        return item

    def headers(self) -> Any:
        pairs: list[tuple[Any, Any]] = [
            (self.chance.choice(["X-A", "Idempotency-Key", "X.B", "x_c", ""]), self.header()) for _ in range(2)
        ]
        if self.happens(0.5):
            return {name: text for name, text in pairs if name != "X.B" or self.happens(0.2)}
        spelling = self.chance.choice([("key", "value"), ("Key", "VALUE"), ("key", "value")])
        if not self.happens(self.wrong):
            pairs = list(dict(pairs).items())
        items: list[Any] = [dict(zip(spelling, pair, strict=True)) for pair in pairs]
        if self.happens(self.wrong):
            items.append(self.chance.choice([{}, "a", {"key": "a"}, {"value": "b"}, {"key": 1, "value": "b"}]))
        return items

    def header(self) -> Any:
        wrong: list[Any] = [3, None, True, {}, [], {"a": "b"}, "${CENTRIFUGO_VAR_UNSET}"]
        right = ["s3cret", "", "${HOME}", "${CENTRIFUGO_VAR_SET}", "a ${CENTRIFUGO_VAR_SET} b", "$X", "5"]
        return self.chance.choice(wrong if self.happens(self.wrong) else right)

    def variable(self, key: Key, path: str) -> str:
        """The text of a variable."""
        match key.kind:
            case "headers":
                wrong = ["[]", "a", '{"a": 1}', '[{"key": "a", "value": "b"}]', '{"a": "${CENTRIFUGO_VAR_UNSET}"}', "{"]
                right = ["{}", '{"X-A": "b"}', "null", '{"a": null}', ' {"a": "${CENTRIFUGO_VAR_SET}", "a": "c"} ']
                return self.chance.choice(wrong if self.happens(0.2) else right)
            case "strings":
                return " ".join(str(self.string(path)) for _ in range(self.chance.randint(1, 3)))
            case "objects":
                if "name" in key.keys and self.happens(0.3) and key.type != "NamedProxy":
                    return " ".join(self.chance.sample(NAMES, self.chance.randint(1, 2)))
                before, self.wrong = self.wrong, 0.01
                text = self.json_for_types(key, path)
                self.wrong = before
                return text
        return str(self.text(key, path))

    def json_for_types(self, key: Key, path: str) -> str:
        items = [self._strict_object(key, f"{path}[]") for _ in range(self.chance.randint(0, 2))]
        if "name" in key.keys:
            for item, name in zip(items, self.chance.sample(NAMES, len(items)), strict=True):
                item["name"] = name
                if key.type == "NamedProxy":
                    item |= {"endpoint": "http://127.0.0.1:8070"}
                if key.type == "Consumer":
                    item |= {"type": "kafka"}
        text = json.dumps(items)
        return text[:-1] if self.happens(0.03) else text

    def _strict_object(self, key: Key, path: str) -> dict[str, Any]:
        names = self._names(key, self.chance.randint(0, 3))
        item = {name: self._strict(key.keys[name], f"{path}.{name}") for name in names}
        if self.happens(0.1):
            item[self.chance.choice(["unknown", "Presence", "TIMEOUT"])] = self.chance.choice(["5s", True])
        return item

    def _strict(self, key: Key, path: str) -> Any:
        if self.happens(0.03):
            return None
        if self.happens(0.05):
            return self.chance.choice([*OTHERS, *NUMBERS[:8]])
        match key.kind:
            case "bool":
                return self.happens(0.5)
            case "int":
                return self.chance.choice([0, 1, 5, 100, 2**31, 2**40, -1])
            case "duration":
                return self.chance.choice([*DURATIONS, 0, 10**9])
            case "strings":
                return [self.string(path), None] if self.happens(0.1) else [self.string(path)]
            case "headers":
                return {"X-A": self.chance.choice(["b", "${CENTRIFUGO_VAR_UNSET}", "${HOME}"])}
            case "object":
                return self._strict_object(key, path)
            case "objects":
                return [self._strict_object(key, f"{path}[]")]
        return self.string(path)
