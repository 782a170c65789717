"""gunicorn's request with a bound for the whole head. gunicorn limits each field of a head, but hardly the head.

gunicorn reads a head in small pieces, and copies and searches all of it after each.
"""

from __future__ import annotations

from typing import Any, Final

from gunicorn.http.message import Request

_MIN_MAX_HEAD: Final = 128 * 1024


def max_head(cfg: Any) -> int:
    """Return the most bytes that a head may have. Centrifugo may forward a field of 64 KiB, such as a cookie."""
    return max(_MIN_MAX_HEAD, int(cfg.limit_request_line) + 2 * int(cfg.limit_request_field_size))


class LimitedRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request whose head and trailers have :func:`max_head` bytes at most."""

    max_buffer_headers: int

    def parse(self, unreader: Any) -> Any:
        self.max_buffer_headers = min(self.max_buffer_headers, max_head(self.cfg))
        return super().parse(unreader)
