"""Debian's Chromium, driven by Playwright. Playwright downloads no browser of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = None if PROGRAM else "chromium is not on PATH: Debian's package chromium has it"
"""Why there is no Chromium, or None."""
OPTIONS = ["--no-sandbox", "--no-first-run", "--disable-quic", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
# A page that asks another host for something fails, also where the machine is in a network.
OPTIONS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
TIMEOUT = 20_000.0
"""Milliseconds until an action or an expectation fails."""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A Chromium until the end of the block.

    The block must not use asyncio: until its end, Playwright has an event loop of its own in this thread.
    """
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=OPTIONS, timeout=TIMEOUT)
        try:
            yield browser
        finally:
            browser.close()
