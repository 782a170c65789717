"""gunicorn's request with a bound for the whole head.

gunicorn limits each field of a head and their number, and the product is large. It reads a head in small pieces, and
copies and searches all that it has after each.
"""

from __future__ import annotations

from typing import Any, Final

from gunicorn.http.message import Request

_MIN_MAX_HEAD: Final = 128 * 1024
"""Bytes that every head may have."""


def max_head(cfg: Any) -> int:
    """Return how many bytes a head may have: enough for two fields of the largest size that gunicorn is set to.

    Centrifugo may forward such a field, for example a cookie.
    """
    return max(_MIN_MAX_HEAD, int(cfg.limit_request_line) + 2 * int(cfg.limit_request_field_size))


class LimitedRequest(Request):
    """A request whose head and trailers have :func:`max_head` bytes at most."""

    max_buffer_headers: int

    def parse(self, unreader: Any) -> Any:
        self.max_buffer_headers = min(self.max_buffer_headers, max_head(self.cfg))
        return super().parse(unreader)
