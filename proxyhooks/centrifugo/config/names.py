"""The names that namespaces and proxies may have."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile("[-a-zA-Z0-9_.]{2,}")
"""A name of a namespace or a proxy that Centrifugo accepts."""
NAME_RULE: Final = "two or more characters of A-Z a-z 0-9 - _ ."
DEFAULT_PROXY: Final = "default"
"""The name by which namespaces mean the proxy of the event, and no proxy of the list."""
