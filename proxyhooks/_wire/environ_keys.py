"""Keys of the WSGI environ with which the Flask part and gunicorn's workers talk to each other."""

from __future__ import annotations

from typing import Final

CLOSE_CONNECTION: Final = "proxyhooks.close_connection"
"""Set to True by the application: the worker closes the connection after this reply, since the caller has no secret."""
