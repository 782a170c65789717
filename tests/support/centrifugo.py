"""Where the real Centrifugo is, and how it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers import answers, running_server

_NAME = os.environ.get("CENTRIFUGO")
_PATH = shutil.which(_NAME or "centrifugo")

MISSING = (
    None
    if _PATH
    else f"the environment variable CENTRIFUGO names {_NAME!r}, which is no program"
    if _NAME
    else "centrifugo is not on PATH, and the environment variable CENTRIFUGO does not name it"
)
"""Why there is no Centrifugo to test against, or None."""
MISSING_BUT_NAMED = bool(MISSING and _NAME)
"""A program that is named and missing fails the tests that need it, in place of skipping them."""


def centrifugo_binary() -> str:
    """The path of the program. Tests that call this have the marker ``centrifugo``."""
    assert _PATH is not None, MISSING
    return _PATH


@contextmanager
def running_centrifugo(
    config: Path, port: int, log: Path, *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Centrifugo, which must have its health endpoint on the port."""
    command = [centrifugo_binary(), "-c", str(config)]
    with running_server(command, log, is_ready=lambda: answers(port, "/health"), cwd=cwd, env=env) as process:
        yield process
