"""The codes of errors and disconnects: built-in ones, ranges for custom ones, and what clients do after each.

Source: Centrifugo's chapters "Client protocol codes" and "Proxy events to the backend".
"""

from __future__ import annotations

from typing import Final, NamedTuple


class BuiltinError(NamedTuple):
    message: str
    temporary: bool = False


# 100, 111 and 113 are temporary by definition, but a reply must say so: Centrifugo does not derive it from the code.
ERRORS: Final[dict[int, BuiltinError]] = {
    100: BuiltinError("internal server error", temporary=True),
    101: BuiltinError("unauthorized"),
    102: BuiltinError("unknown channel"),
    103: BuiltinError("permission denied"),
    104: BuiltinError("method not found"),
    105: BuiltinError("already subscribed"),
    106: BuiltinError("limit exceeded"),
    107: BuiltinError("bad request"),
    108: BuiltinError("not available"),
    109: BuiltinError("token expired"),
    110: BuiltinError("expired"),
    111: BuiltinError("too many requests", temporary=True),
    112: BuiltinError("unrecoverable position"),
    113: BuiltinError("concurrent pagination", temporary=True),
}

DISCONNECTS: Final[dict[int, str]] = {
    3000: "connection closed",
    3001: "shutdown",
    3004: "internal server error",
    3005: "connection expired",
    3006: "subscription expired",
    3008: "slow",
    3009: "write error",
    3010: "insufficient state",
    3011: "force reconnect",
    3012: "no pong",
    3013: "too many requests",
    3014: "state invalidated",
    3500: "invalid token",
    3501: "bad request",
    3502: "stale",
    3503: "force disconnect",
    3504: "connection limit",
    3505: "channel limit",
    3506: "inappropriate protocol",
    3507: "permission denied",
    3508: "not available",
    3509: "too many errors",
}

CUSTOM_ERRORS: Final = range(400, 2000)
CUSTOM_DISCONNECTS: Final = range(4000, 5000)
MAX_REASON: Final = 32
"""ASCII characters that the reason of a disconnect may have."""

UNSUBSCRIBE_EXPIRED: Final = 2501
"""The code with which an expired subscription ends; the client SDKs subscribe again."""

_STAY_AWAY: Final = (range(3500, 4000), range(4500, 5000))
_TOKEN_EXPIRED: Final = 109
_NEVER_SENT: Final = 3000


def error_is_terminal(code: int, temporary: bool) -> bool:
    """Whether the client SDKs give up after this error on connect or subscribe."""
    return not temporary and code != _TOKEN_EXPIRED


def disconnect_is_terminal(code: int) -> bool:
    """Whether the client SDKs stay away after this disconnect. After every other one they reconnect."""
    return any(code in codes for codes in _STAY_AWAY)


def check_error_code(code: object) -> int:
    """Return the code of an error if a reply may carry it.

    :raises TypeError: if it is not an int.
    :raises ValueError: if it is neither built-in nor 400-1999.
    """
    code = _require_int(code, "an error code")
    if code in ERRORS or code in CUSTOM_ERRORS:
        return code
    if code in DISCONNECTS or code in CUSTOM_DISCONNECTS:
        raise ValueError(
            f"{code} is a disconnect code, not an error code: use Disconnect({code}, ...), or an error code of 400-1999"
        )
    if 0 <= code < CUSTOM_ERRORS.start:
        raise ValueError(
            f"error code {code} is reserved for Centrifugo (0-399) and is not one of its built-in codes 100-113: "
            "use a code of 400-1999"
        )
    raise ValueError(f"error code {code} is out of range: custom error codes are 400-1999, built-in ones 100-113")


def check_disconnect_code(code: object) -> int:
    """Return the code of a disconnect if a reply may carry it.

    :raises TypeError: if it is not an int.
    :raises ValueError: if it is neither built-in nor 4000-4999, or if it is 3000.
    """
    code = _require_int(code, "a disconnect code")
    if code == _NEVER_SENT:
        raise ValueError(
            "3000 (connection closed) cannot be a reply: Centrifugo sends the client nothing, and the client "
            "reconnects. Use 3503 to keep the client away, or 3011 to make it reconnect"
        )
    if code in DISCONNECTS or code in CUSTOM_DISCONNECTS:
        return code
    if code in ERRORS or code in CUSTOM_ERRORS:
        raise ValueError(
            f"{code} is an error code, not a disconnect code: use Error({code}, ...), or a disconnect code of 4000-4999"
        )
    if 3000 <= code < CUSTOM_DISCONNECTS.start:
        raise ValueError(
            f"disconnect code {code} is reserved for Centrifugo (3000-3999) and is not one of its built-in codes: "
            "use 4000-4499 (the client reconnects) or 4500-4999 (it stays away)"
        )
    raise ValueError(
        f"disconnect code {code} is out of range: use 4000-4499 (the client reconnects) or 4500-4999 (it stays away)"
    )


def fit_reason(text: str) -> str:
    """The text as a reason: other characters than ASCII become ``?``, and what is longer than 32 is cut off."""
    return text.encode("ascii", "replace")[:MAX_REASON].decode("ascii")


def _require_int(code: object, name: str) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"{name} must be an int, not {code!r}")
    return code
