"""The one logger of the package."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("proxyhooks")
