"""Writes the keys of Centrifugo's configuration into the package, from what a Centrifugo says about itself.

``python -m tests.centrifugo.config.write_keys --centrifugo PATH``
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.paths import ROOT

KEYS_FILE = ROOT / "proxyhooks" / "centrifugo" / "config" / "keys.json"
_ENTRY = re.compile(r"^#+ `([^`]+)`\n\nType: `([^`]+)`( object)?(?:\. Default: `([^`]*)`)?", re.MULTILINE)
_UNDOCUMENTED = {
    # An experimental broker. "configdoc" leaves it out, and "defaultenv" lists its variables.
    "Broker": {"redisnats": "RedisNatsBroker object"},
    "RedisNatsBroker": {"redis": "RedisBroker object", "nats": "NatsBroker object"},
}


def keys_of(centrifugo: str) -> dict[str, object]:
    """The keys of each type of object in the configuration of this Centrifugo, with their types and defaults.

    :raises ValueError: if two objects of one type have different keys.
    """
    version = _run(centrifugo, "version").split()[1].removeprefix("v")
    entries = [match.groups() for match in _ENTRY.finditer(_run(centrifugo, "configdoc", "-m"))]
    type_at = {"": "Config"} | {
        path.replace("[]", ""): type_.strip("[]") for path, type_, is_object, _ in entries if is_object
    }
    types: dict[str, dict[str, str]] = {}
    for path, type_, is_object, default in entries:
        parent, _, key = path.replace("[]", "").rpartition(".")
        text = f"{type_}{is_object or ''}" + (f" = {default}" if default else "")
        known = types.setdefault(type_at[parent], {}).setdefault(key, text)
        if known != text:
            raise ValueError(f"{path} is {text}, and another {type_at[parent]} has {known}")
    for type_, keys in _UNDOCUMENTED.items():
        types.setdefault(type_, {}).update(keys)
    return {"version": version, "types": types}


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def as_text(keys: dict[str, object]) -> str:
    return json.dumps(keys, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--centrifugo", default="centrifugo", metavar="PATH", help="the program")
    parser.add_argument("--output", type=Path, default=KEYS_FILE, metavar="FILE")
    options = parser.parse_args()
    program = shutil.which(options.centrifugo)
    if program is None:
        parser.error(f"there is no program {options.centrifugo!r}")
    options.output.write_text(as_text(keys_of(program)))


if __name__ == "__main__":
    main()
