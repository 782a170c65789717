"""The settings of gunicorn's master, from the environment."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any, Final

from ..exceptions import SetupError
from .setting import Setting, shown, without_frames

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})")

Address = tuple[str, int]
"""Host and port."""


def parse_address(value: Any) -> Address | None:
    """Return host and port of ``HOST:PORT``; None of None."""
    if value is None:
        return None
    match = _ADDRESS.fullmatch(value)
    if match is None or not 0 < int(match["port"]) < 65_536:
        raise ValueError(shown(value))
    return match["ipv6"] or match["host"], int(match["port"])


def _is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # something keeps it from being imported
        return False


METRICS_BIND: Final[Setting[Address | None]] = Setting(
    key="PROXYHOOKS_METRICS_BIND",
    source="environment",
    type="`HOST:PORT`",
    default=None,
    meaning="The address on which gunicorn serves `/metrics` for Prometheus.",
    must_be="an address such as 127.0.0.1:9070 or [::]:9070",
    parse=parse_address,
)


@without_frames
def read_metrics_bind(environment: Mapping[str, str]) -> Address | None:
    """Read where gunicorn serves metrics; None if it does not.

    :raises SetupError: if the value is wrong, or prometheus_client is not installed.
    """
    address = METRICS_BIND.read(environment)
    if address is not None and not _is_installed("prometheus_client"):
        raise SetupError(
            f"{METRICS_BIND.key} is set, and prometheus-client is not installed: run "
            "pip install 'proxyhooks[metrics]', or unset the variable"
        )
    return address
