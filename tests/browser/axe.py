"""axe-core, which tests/run installs beside the virtual environment's Python, finds faults of accessibility."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"
MISSING = None if SCRIPT.exists() else "axe-core is not installed; tests/run does it"
"""Why there is no axe-core, or None."""
OPTIONS = {"resultTypes": ["violations"], "preload": False}
"""Nothing is preloaded: the page's Content-Security-Policy would forbid it."""


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical in the page as it is now: the rule, its help and the elements."""
    # Playwright evaluates beside the page's Content-Security-Policy, so the policy stays as it is.
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    result = page.evaluate("options => axe.run(document, options)", OPTIONS)
    return [
        f"{fault['id']} ({fault['impact']}): {fault['help']}: {node['html']}"
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
