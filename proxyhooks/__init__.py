"""The backend half of Centrifugo, for Flask: a function per event, typed requests, replies that cannot be malformed.

Names are loaded when they are used, so that ``proxyhooks.gunicorn`` loads no Flask.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import disconnects as disconnects
    from . import errors as errors
    from ._dispatch.patterns import ChannelPattern as ChannelPattern
    from ._dispatch.registry import Hooks as Hooks
    from ._flask.background import after_reply as after_reply
    from ._flask.extension import ProxyHooks as ProxyHooks
    from ._flask.request_state import current_request as current_request
    from .exceptions import Disconnect as Disconnect
    from .exceptions import Error as Error
    from .exceptions import HookResultError as HookResultError
    from .exceptions import ProxyHooksError as ProxyHooksError
    from .exceptions import Rejection as Rejection
    from .exceptions import SetupError as SetupError
    from .messages import *
    from .responses import disconnect_response as disconnect_response
    from .responses import error_response as error_response
    from .responses import read_request as read_request
    from .responses import result_response as result_response

__all__ = [
    "NULL",
    "ChannelEvent",
    "ChannelPattern",
    "ChannelsCapability",
    "ClientRequest",
    "ConnectRequest",
    "ConnectResult",
    "Disconnect",
    "Error",
    "ExpireAt",
    "FilterNode",
    "HookResultError",
    "Hooks",
    "MapPublishRequest",
    "MapPublishResult",
    "MapRemoveRequest",
    "MapRemoveResult",
    "NotifyCacheEmptyRequest",
    "NotifyCacheEmptyResult",
    "NotifyChannelStateRequest",
    "NotifyChannelStateResult",
    "ProxyHooks",
    "ProxyHooksError",
    "PublishRequest",
    "PublishResult",
    "RPCRequest",
    "RPCResult",
    "RefreshRequest",
    "RefreshResult",
    "Rejection",
    "Request",
    "Result",
    "SetupError",
    "SharedPollRefreshItem",
    "SharedPollRefreshRequest",
    "SharedPollRefreshResult",
    "SharedPollRefreshResultItem",
    "SubRefreshRequest",
    "SubRefreshResult",
    "SubscribeOptionOverride",
    "SubscribeOptions",
    "SubscribeRequest",
    "SubscribeResult",
    "UserRequest",
    "after_reply",
    "current_request",
    "disconnect_response",
    "disconnects",
    "error_response",
    "errors",
    "read_request",
    "result_response",
]

_MODULES = ("disconnects", "errors")
# Everything else is a message.
_HOMES = {
    "ChannelPattern": "_dispatch.patterns",
    "Disconnect": "exceptions",
    "Error": "exceptions",
    "HookResultError": "exceptions",
    "Hooks": "_dispatch.registry",
    "ProxyHooks": "_flask.extension",
    "ProxyHooksError": "exceptions",
    "Rejection": "exceptions",
    "SetupError": "exceptions",
    "after_reply": "_flask.background",
    "current_request": "_flask.request_state",
    "disconnect_response": "responses",
    "error_response": "responses",
    "read_request": "responses",
    "result_response": "responses",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in __all__:
        value = getattr(importlib.import_module(f".{_HOMES.get(name, 'messages')}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
