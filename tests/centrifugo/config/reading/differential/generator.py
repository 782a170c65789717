"""Makes configurations of Centrifugo, right ones and wrong ones, from its keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proxyhooks.centrifugo.config.keys import PRO_KEYS, Key, key_at, paths_of, root_keys, variable_of, variables
from tests.centrifugo.config.reading.differential.values import Raw, Values
from tests.centrifugo.config.reading.differential.writing import write

PATHS = [
    path for path, _ in paths_of(root_keys()) if not PRO_KEYS.intersection(path.split(".")) and "redisnats" not in path
]
OFTEN = [path for path in PATHS if path.startswith(("client", "channel", "rpc", "proxies"))]
OBJECTS = [path for path, key in paths_of(root_keys()) if key.kind == "object" and path in PATHS]
VARIABLES = [
    entry for entry in variables(root_keys()) if not PRO_KEYS.intersection(entry[1]) and "redisnats" not in entry[1]
]
UNKNOWN = [
    "unknown",
    "namespace",
    "http_header",
    "proxy_subscribe",
    "presense",
    "enable",
    "timeouts",
    "hmac_secret",
    "5",
]
OLD = ["allowed_origins", "token_hmac_secret_key", "namespaces", "proxy_connect_endpoint", "history_size", "api_key"]
"""Keys on the top level of older versions."""
ENDPOINT = "http://127.0.0.1:8070/centrifugo/rpc"
SET = {"CENTRIFUGO_VAR_SET": "set", "HOME": "/home"}


@dataclass
class Case:
    """One configuration: a file and an environment."""

    name: str
    text: str
    environ: dict[str, str] = field(default_factory=dict)


class Generator:
    """Makes the case of each seed, always the same one."""

    def case(self, seed: str) -> Case:
        chance = random.Random(seed)
        return _Maker(chance).case()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.values = Values(chance)
        self.tree: dict[str, Any] = {}
        self.happens = self.values.happens

    def case(self) -> Case:
        self.values.wrong = self.chance.choice([0, 0, 0.02, 0.1])
        if self.happens(0.6):
            self._good()
        for _ in range(self.chance.randint(0, 7)):
            self._set(self.chance.choice(OFTEN if self.happens(0.6) else PATHS))
        if self.happens(0.25):
            self._unknown_keys()
        if self.happens(0.08):
            self._object_of_another_type()
        if self.happens(0.08):
            self._same_names()
        tree = self.tree
        if self.happens(0.3):
            tree = self._other_letter_case(tree)
        if self.happens(0.25):
            tree = self._dotted(tree)
        environ = self._environ() if self.happens(0.45) else {}
        name = self.chance.choice(["c.json", "c.json", "c.yaml", "c.yml", "c.toml"])
        return Case(name, write(tree, "yaml" if name[2] == "y" else name[2:]), environ | SET)

    def _good(self) -> None:
        """What an application uses: proxies with endpoints, and namespaces."""
        names = self.chance.sample(["chat", "news", "my-chat"], self.chance.randint(1, 3))
        proxies = {event: {"endpoint": ENDPOINT} for event in ("subscribe", "publish", "sub_refresh", "map_publish")}
        self.tree = {
            "client": {
                "allowed_origins": ["https://a.example"],
                "proxy": {"connect": {"enabled": True, "endpoint": ENDPOINT, "timeout": "3s"}},
            },
            "channel": {"proxy": proxies, "namespaces": [{"name": name} for name in names]},
            "rpc": {"proxy": {"endpoint": ENDPOINT}, "namespaces": [{"name": name} for name in names[:1]]},
            "proxies": [{"name": name, "endpoint": ENDPOINT, "timeout": "1s"} for name in names],
            "shared_poll": {"hmac_secret_key": "k"},
        }

    def _set(self, path: str) -> None:
        """Set the key at a path, in a random item where the path goes through a list."""
        target: Any = self.tree
        at = ""
        *parents, last = path.split(".")
        for name in parents:
            at = f"{at}.{name}" if at else name
            plain = name.removesuffix("[]")
            below = target.get(plain)
            if name.endswith("[]"):
                if not isinstance(below, list) or not below or not isinstance(below[0], dict):
                    key = key_at(at)
                    assert key is not None
                    below = target[plain] = [self.values.item(key, at)]
                    if "name" in key.keys:
                        below[0]["name"] = self.values.name()
                target = self.chance.choice([item for item in below if isinstance(item, dict)])
            else:
                if not isinstance(below, dict):
                    below = target[plain] = {}
                target = below
        key = key_at(path)
        assert key is not None
        target[last] = self.values.value(key, path)

    def _unknown_keys(self) -> None:
        for _ in range(self.chance.randint(1, 2)):
            target = self.chance.choice(list(_objects(self.tree)))
            value: Any = self.chance.choice([1, "a", {}, {"a": 1}, [], None, True, Raw("1e3")])
            target[self.chance.choice(UNKNOWN)] = value
        if self.happens(0.2):
            self.tree[self.chance.choice(OLD)] = self.chance.choice(["x", [], True, [{"name": "chat"}]])

    def _object_of_another_type(self) -> None:
        """Write something else where Centrifugo reads an object, such as a switch of an older version."""
        path = self.chance.choice(OBJECTS)
        self._set(path)
        target: Any = self.tree
        *parents, last = path.split(".")
        for name in parents:
            below = target.get(name.removesuffix("[]"))
            # The key may have been set in another item of the list.
            target = below[0] if isinstance(below, list) and below else below
            if not isinstance(target, dict):
                return
        target[last] = self.chance.choice([True, False, "redis", "", 5, [], None, {}])

    def _same_names(self) -> None:
        lists = [value for item in _objects(self.tree) for value in item.values() if isinstance(value, list)]
        items = [item for value in lists for item in value if isinstance(item, dict) and "name" in item]
        for item in items:
            if self.happens(0.5):
                item["name"] = items[0]["name"]

    def _other_letter_case(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._other_letter_case(item) for item in value]
        if not isinstance(value, dict):
            return value
        spell = [str.lower, str.lower, str.upper, str.title, str.swapcase]
        # Which of two keys with capital letters wins is a matter of chance in Centrifugo.
        names = {key.lower(): (key, self.chance.choice(spell)(key)) for key in value}
        return {spelled: self._other_letter_case(value[key]) for key, spelled in names.values()}

    def _dotted(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Write some nested keys with dots, and some of them both ways."""
        result: dict[str, Any] = {}
        for key, value in tree.items():
            if isinstance(value, dict) and value and self.happens(0.5):
                for inner, member in self._dotted(value).items():
                    if self.happens(0.6):
                        result[f"{key}.{inner}"] = member
                    else:
                        nested = result.setdefault(key, {})
                        if isinstance(nested, dict):
                            nested[inner] = member
            else:
                result[key] = value
        return result

    def _environ(self) -> dict[str, str]:
        environ: dict[str, str] = {}
        for _ in range(self.chance.randint(1, 3)):
            kind = self.chance.random()
            if kind < 0.15:
                environ[self.chance.choice(["CENTRIFUGO_ALLOWED_ORIGINS", "CENTRIFUGO_X", "CENTRIFUGO_PORT"])] = "x"
            elif kind < 0.4:
                section = self.chance.choice(["channel.namespaces", "rpc.namespaces", "proxies"])
                name = self.chance.choice(["chat", "my-chat", "news"]).replace("-", "_")
                prefix = f"{variable_of(f'{section}.{name}')}_"
                entries = [entry for entry in variables(_keys(section), prefix) if not PRO_KEYS.intersection(entry[1])]
                variable, path, key = self.chance.choice(entries)
                environ[variable] = self.values.variable(key, f"{section}[].{'.'.join(path)}")
            else:
                often = [entry for entry in VARIABLES if entry[1][0] in ("client", "channel", "rpc", "proxies")]
                variable, path, key = self.chance.choice(often if self.happens(0.5) else VARIABLES)
                environ[variable] = self.values.variable(key, ".".join(path))
        return {name: text for name, text in environ.items() if "\0" not in text}


def _keys(section: str) -> dict[str, Key]:
    key = key_at(section)
    assert key is not None
    return dict(key.keys)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Each object in a value, and the value."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _objects(member)
