"""Merging keeps its promises for generated files, applications and options."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.backend import Backend
from proxyhooks.centrifugo.config.reading import read_tree
from proxyhooks.centrifugo.config.writing import ConfigOptions, merge
from tests.centrifugo.config.writing.existing_files import BASE_URL, CONFIDENTIAL, NAMES, existing_config, spell
from tests.support.backends import backend
from tests.support.centrifugo import centrifugo_binary

COUNT = int(os.environ.get("PROXYHOOKS_CASES", "40"))
VARIABLES = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "x", "CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY": "k"}
OURS = re.compile(
    r"endpoint$|client\.proxy\.\w+\.enabled$|proxy_enabled$|proxy_name$|x-proxyhooks-secret$|allowed_origins$|"
    r"(http|emulated)_headers$",
    re.IGNORECASE,
)
"""What a merge may replace, besides what an option asks for. Lists grow."""
OPTIONS = ("timeout", "binary_encoding", "connection_rate_limit", "concurrency", "internal_port")
LISTS = ("namespaces", "proxies")


def application(random: Random) -> tuple[Backend, ConfigOptions]:
    patterns = [*(f"{name}:<x>" for name in NAMES[:5]), "plain-<x>", None]
    events = [name for name, event in EVENTS.items() if not event.pro]
    hooks: dict[tuple[str, str | None], None] = {}
    for _ in range(random.randrange(1, 7)):
        event = random.choice(events)
        hooks[event, None if event in ("connect", "refresh") else random.choice(patterns)] = None
    served = backend(
        *hooks,
        http_headers=random.choice([(), (), ("Cookie", "X-Real-Ip")]),
        emulated_headers=random.choice([(), ("authorization",)]),
        meta=random.random() < 0.3,
        secrets=random.choice([(), ("s3cret",), ("s3cret",)]),
    )
    options = ConfigOptions(
        base_url=BASE_URL,
        allowed_origins=random.choice([["https://a.example"], ["http://localhost:3000", "*"]]),
        secret="s3cret" if served.secrets and random.random() < 0.3 else None,
        timeout=random.choice([None, None, "5s"]),
        binary_encoding=random.random() < 0.2,
        repeat=random.choice([(), (), ("publish", "rpc")]),
        namespaces=random.choice([(), (), ("more",)]),
        proxy_name=random.choice([None, None, "shop"]),
        connection_rate_limit=random.choice([None, None, 7]),
        concurrency=random.choice([None, None, 0]),
        internal_port=random.choice([None, None, 9000]),
    )
    return served, options


def values(config: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Each value of a typed tree by its path; the items of lists have the names that the notes use."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        key_path = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            found |= values(value, key_path)
        elif isinstance(value, list) and (key in LISTS or isinstance(next(iter(value), None), dict)):
            for index, item in enumerate(value):
                found |= values(item, f"{key_path}[{item.get('name', index)}]")
        else:
            found[key_path] = value
    return found


def section_of(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def accepted(config: dict[str, Any], path: Path) -> bool:
    path.write_text(json.dumps(config))
    command = [centrifugo_binary(), "checkconfig", "-s", "-c", str(path)]
    return subprocess.run(command, env=VARIABLES, capture_output=True, check=False, timeout=300).returncode == 0


def is_named(path: str, notes: list[str], before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the notes name a path, or a part of the configuration that is all new or all gone."""
    words = {word.rstrip(",:").lower() for note in notes for word in note.split()}
    if path.lower() in words:
        return True
    parts = [path[: match.start()] for match in re.finditer(r"[.\[]|(?<=\])\.", path)]
    whole = [part for part in parts if not all(any(is_in(known, part) for known in side) for side in (before, after))]
    return any(part.lower() in words for part in whole)


def is_in(path: str, part: str) -> bool:
    return path.startswith((f"{part}.", f"{part}["))


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_merge_names_what_it_changes_and_keeps_the_rest(seed: int) -> None:
    random = Random(seed)
    existing = spell(existing_config(random), random)
    served, options = application(random)
    text = json.dumps(existing)
    merged = merge(existing, served, options)
    assert json.dumps(existing) == text, "the existing configuration was changed in place"
    before, after = (values(read_tree(tree, {}).config) for tree in (existing, merged.config))
    for path in {**before, **after}:
        if before.get(path) != after.get(path):
            assert is_named(path, merged.notes, before, after), f"no note names {path}: {merged.notes}"
            is_wish = any(path.endswith(option) and getattr(options, option) is not None for option in OPTIONS)
            assert path not in before or path not in after or OURS.search(path) or is_wish, f"{path} is not ours"
            if path in before and path in after and isinstance(before[path], list):
                assert after[path][: len(before[path])] == before[path], "a list only grows"
    differing = {section_of(path) for path in {**before, **after} if before.get(path) != after.get(path)}
    for key in existing:
        if section_of(key.lower()) not in differing:
            assert json.dumps(merged.config[key]) == json.dumps(existing[key]), f"{key} is written in another way"
    assert [key for key in merged.config if key in existing] == [key for key in existing if key in merged.config]
    assert CONFIDENTIAL not in " ".join(merged.notes)
    assert "pass@" not in " ".join(merged.notes)
    again = merge(merged.config, served, options)
    assert json.dumps(again.config) == json.dumps(merged.config)


@pytest.mark.centrifugo
@pytest.mark.parametrize("seed", range(COUNT))
def test_centrifugo_accepts_what_was_merged_if_it_accepted_what_was_there(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    existing = spell(existing_config(random), random)
    merged = merge(existing, *application(random))
    assert accepted(merged.config, tmp_path / "merged.json") or not accepted(existing, tmp_path / "existing.json")


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_damaged_file_is_merged_or_refused_without_a_traceback(seed: int) -> None:
    random = Random(seed)
    existing = spell(existing_config(random), random)
    for _ in range(random.randrange(1, 4)):
        damage(existing, random)
    unreadable = [finding for finding in read_tree(existing, {}).findings if finding.id in ("PH017", "PH029")]
    if unreadable:
        with pytest.raises(ValueError, match="Centrifugo cannot read the file") as error:
            merge(existing, *application(random))
        assert CONFIDENTIAL not in str(error.value)
    else:
        assert merge(existing, *application(random)).config


def damage(value: Any, random: Random) -> None:
    """Replace something in a configuration by what may not be there."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    if not keys:
        return
    key = random.choice(keys)
    if isinstance(value[key], (dict, list)) and value[key] and random.random() < 0.8:
        damage(value[key], random)
    else:
        value[key] = random.choice([None, "", "x", 0, -1, 1.5, True, [], {}, [None], {"a": 1}, [{}]])
