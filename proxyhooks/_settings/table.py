"""The table of settings for the documentation."""

from __future__ import annotations

from .settings import SETTINGS


def settings_table() -> str:
    """The settings as a Markdown table, for the documentation."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        key = f"`{setting.key}`" + (" (environment variable)" if setting.source == "environment" else "")
        rows.append(f"| {key} | {setting.type} | {_default_text(setting.default)} | {setting.meaning} |")
    return "\n".join(rows) + "\n"


def _default_text(default: object) -> str:
    if default is None:
        return "none"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
