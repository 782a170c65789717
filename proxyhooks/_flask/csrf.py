"""Flask-WTF's protection of forms, which browsers send with a user's cookies. Hooks are protected by the secret."""

from __future__ import annotations

import functools
from typing import Any

from flask import Flask

from .request_state import request_state


def exempt_from_csrf_protection(app: Flask) -> None:
    """Leave requests to hooks out of ``CSRFProtect``, if the application has it."""
    csrf: Any = app.extensions.get("csrf")
    if not hasattr(csrf, "protect"):
        return
    protect = csrf.protect

    # Its exempt() would not do: it goes by module and name, so a page whose function is called as a hook would be
    # exempt too.
    @functools.wraps(protect)
    def protect_unless_hook(*args: Any, **kwargs: Any) -> Any:
        state = request_state()
        return None if state is not None and state.guarded else protect(*args, **kwargs)

    csrf.protect = protect_unless_hook
