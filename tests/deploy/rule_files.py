"""The rules in deploy/prometheus, as Prometheus reads them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from tests.support.paths import ROOT

FILES: Final = ROOT / "deploy" / "prometheus"

yaml: Any = importlib.import_module("yaml")  # it has no types


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def write(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def alerts(rules: Any) -> list[dict[str, Any]]:
    """The alerts among the rules, in their order."""
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


ALERTS: Final = {alert["alert"]: alert for alert in alerts(read(FILES / "rules.yml"))}
