"""The source of an application that loads when a test allows it."""

from __future__ import annotations

LOADING_APP = """
import os
import time
from pathlib import Path

from flask import Flask

from proxyhooks import ProxyHooks

here = Path(os.environ["HERE"])
(here / "loads").write_text("")
deadline = time.monotonic() + 60
while not (here / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
if (here / "broken").exists():
    raise RuntimeError("broken")
app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
"""
"""It writes the file ``loads`` in the folder ``HERE``, waits for the file ``go``, and fails if there is ``broken``."""
