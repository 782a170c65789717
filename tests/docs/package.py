"""What the documentation is compared with. Nothing else in this folder imports private names or other tests."""

from __future__ import annotations

from proxyhooks._codes import DISCONNECTS, ERRORS, disconnect_is_terminal, error_is_terminal
from proxyhooks._events import EVENTS
from proxyhooks.centrifugo._advice import WARNINGS
from proxyhooks.centrifugo.findings import FINDINGS
from proxyhooks.cli import _COMMANDS as COMMANDS
from tests.benchmarks.contestants import CONTESTANTS
from tests.centrifugo.servers import BINARY as CENTRIFUGO

__all__ = [
    "CENTRIFUGO",
    "COMMANDS",
    "CONTESTANTS",
    "DISCONNECTS",
    "ERRORS",
    "EVENTS",
    "FINDINGS",
    "WARNINGS",
    "disconnect_is_terminal",
    "error_is_terminal",
]
