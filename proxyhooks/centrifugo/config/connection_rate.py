"""How Centrifugo limits the rate of new connections."""

from __future__ import annotations

from typing import Final

ONE_CONNECTION_A_SECOND: Final = (
    "Centrifugo up to v6.9.2 accepts {rate} new connections at once and then one a second, whatever the rate"
)
