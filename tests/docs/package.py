"""What the documentation is compared with. Nothing else in this folder imports private names or other tests."""

from __future__ import annotations

from proxyhooks._dispatch.events import EVENTS
from proxyhooks._settings.settings import AFTER_REPLY_THREADS
from proxyhooks._settings.table import settings_table
from proxyhooks._wire.codes import DISCONNECTS, ERRORS, disconnect_is_terminal, error_is_terminal
from proxyhooks._wire.metric_table import METRICS
from proxyhooks.centrifugo.config.findings import FINDINGS
from proxyhooks.centrifugo.replies.warnings import WARNINGS
from proxyhooks.cli import _COMMANDS as COMMANDS
from tests.benchmarks.contestants import CONTESTANTS
from tests.deploy.rule_files import ALERTS
from tests.support.centrifugo import MISSING, centrifugo_binary

CENTRIFUGO = None if MISSING else centrifugo_binary()

__all__ = [
    "AFTER_REPLY_THREADS",
    "ALERTS",
    "CENTRIFUGO",
    "COMMANDS",
    "CONTESTANTS",
    "DISCONNECTS",
    "ERRORS",
    "EVENTS",
    "FINDINGS",
    "METRICS",
    "WARNINGS",
    "disconnect_is_terminal",
    "error_is_terminal",
    "settings_table",
]
