"""The backend half of Centrifugo, for Flask: a function per event, typed requests, replies that cannot be malformed.

Names are loaded when they are used, so that ``proxyhooks.gunicorn`` loads no Flask.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import disconnects as disconnects
    from . import errors as errors
    from ._extension import ProxyHooks as ProxyHooks
    from ._extension import after_reply as after_reply
    from ._extension import current_request as current_request
    from ._hooks import Hooks as Hooks
    from ._patterns import ChannelPattern as ChannelPattern
    from .exceptions import Disconnect as Disconnect
    from .exceptions import Error as Error
    from .exceptions import HookResultError as HookResultError
    from .exceptions import ProxyHooksError as ProxyHooksError
    from .exceptions import Rejection as Rejection
    from .exceptions import SetupError as SetupError
    from .messages import *  # noqa: F403  # all of them, as below
    from .responses import disconnect_response as disconnect_response
    from .responses import error_response as error_response
    from .responses import read_request as read_request
    from .responses import result_response as result_response

_HOMES = {
    "_extension": ("ProxyHooks", "after_reply", "current_request"),
    "_hooks": ("Hooks",),
    "_patterns": ("ChannelPattern",),
    "exceptions": ("Disconnect", "Error", "HookResultError", "ProxyHooksError", "Rejection", "SetupError"),
    "messages": (
        "ChannelEvent",
        "ChannelsCapability",
        "ClientRequest",
        "ConnectRequest",
        "ConnectResult",
        "ExpireAt",
        "FilterNode",
        "MapPublishRequest",
        "MapPublishResult",
        "MapRemoveRequest",
        "MapRemoveResult",
        "NULL",
        "NotifyCacheEmptyRequest",
        "NotifyCacheEmptyResult",
        "NotifyChannelStateRequest",
        "NotifyChannelStateResult",
        "PublishRequest",
        "PublishResult",
        "RPCRequest",
        "RPCResult",
        "RefreshRequest",
        "RefreshResult",
        "Request",
        "Result",
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
    ),
    "responses": ("disconnect_response", "error_response", "read_request", "result_response"),
}
_MODULES = ("disconnects", "errors")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_MODULES, *_HOME_OF]  # pyright: ignore[reportUnsupportedDunderAll]  # a test holds it true


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
