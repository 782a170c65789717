"""Flask-WTF's protection of forms, which browsers send with a user's cookies. Hooks are protected by the secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from .request_state import request_state


def exempt_from_csrf_protection(app: Flask) -> None:
    """Leave requests to hooks out of ``CSRFProtect``, if the application has it."""
    csrf: Any = app.extensions.get("csrf")
    # Several applications, such as those of tests, may share one CSRFProtect.
    if hasattr(csrf, "protect") and not isinstance(csrf.protect, _ProtectUnlessHook):
        csrf.protect = _ProtectUnlessHook(csrf.protect)


class _ProtectUnlessHook:
    """``CSRFProtect.protect``, except for requests to hooks.

    Its ``exempt`` would not do: it goes by module and name, so it would exempt a page whose function is called as a
    hook.
    """

    def __init__(self, protect: Callable[..., Any]) -> None:
        self._protect = protect

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = request_state()
        return None if state is not None and state.guarded else self._protect(*args, **kwargs)
