"""The static headers of proxies that the package writes and checks; ``SECRET_HEADER`` is in the settings."""

from __future__ import annotations

from typing import Final

STATIC_HEADERS: Final = "http.static_headers"
"""The key of the headers in a proxy."""
SECRET_VARIABLE: Final = "CENTRIFUGO_VAR_PROXYHOOKS_SECRET"  # noqa: S105  # a name, not a secret
"""The variable in Centrifugo's environment that holds the secret."""
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
IDEMPOTENCY_VALUE: Final = "proxyhooks"
"""Any value does; this one tells what the package wrote."""
