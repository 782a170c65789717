"""The backend half of Centrifugo, for Flask: a function per event, typed requests, replies that cannot be malformed.

Names that need Flask or marshmallow are imported when they are first used, so that ``proxyhooks.gunicorn`` loads
neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import disconnects as disconnects
from . import errors as errors
from . import messages as messages
from ._dispatch.patterns import ChannelPattern as ChannelPattern
from .exceptions import Disconnect as Disconnect
from .exceptions import Error as Error
from .exceptions import HookResultError as HookResultError
from .exceptions import ProxyHooksError as ProxyHooksError
from .exceptions import PublicationError as PublicationError
from .exceptions import Rejection as Rejection
from .exceptions import SetupError as SetupError
from .messages import *

if TYPE_CHECKING:
    from ._dispatch.registry import Hooks as Hooks
    from ._flask.background import after_reply as after_reply
    from ._flask.call_log import CallLogFilter as CallLogFilter
    from ._flask.extension import ProxyHooks as ProxyHooks
    from ._flask.request_state import current_request as current_request
    from .responses import disconnect_response as disconnect_response
    from .responses import error_response as error_response
    from .responses import read_request as read_request
    from .responses import result_response as result_response
else:  # type checkers see the imports above instead
    _IMPORTED_WHEN_USED = {  # the module of each name
        "CallLogFilter": "_flask.call_log",
        "Hooks": "_dispatch.registry",
        "ProxyHooks": "_flask.extension",
        "after_reply": "_flask.background",
        "current_request": "_flask.request_state",
        "disconnect_response": "responses",
        "error_response": "responses",
        "read_request": "responses",
        "result_response": "responses",
    }
    __all__ = sorted(
        {
            *("ChannelPattern", "Disconnect", "Error", "HookResultError", "ProxyHooksError", "PublicationError"),
            *("Rejection", "SetupError", "disconnects", "errors"),
            *messages.__all__,
            *_IMPORTED_WHEN_USED,
        }
    )

    def __getattr__(name: str) -> Any:
        if name not in _IMPORTED_WHEN_USED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f".{_IMPORTED_WHEN_USED[name]}", __name__)
        value = globals()[name] = getattr(module, name)  # Python looks here first, so this function runs once a name
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
