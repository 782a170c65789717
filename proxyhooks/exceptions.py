"""The exceptions: what a hook raises to refuse, and what the package raises for mistakes.

::

    Exception
     ├─ Rejection            a refusal, which is a reply to the client
     │   ├─ Error            refuses the operation; built-in ones in proxyhooks.errors
     │   └─ Disconnect       closes the connection; built-in ones in proxyhooks.disconnects
     └─ ProxyHooksError      a mistake in the application
         ├─ SetupError       raised when something is defined or configured
         ├─ HookResultError  raised when a hook has returned
         └─ PublicationError raised when the backend publishes
"""

from __future__ import annotations

from typing import Any, ClassVar, overload

from ._wire import codes
from ._wire.log import rate_limited

__all__ = [
    "Disconnect",
    "Error",
    "HookResultError",
    "ProxyHooksError",
    "PublicationError",
    "Rejection",
    "SetupError",
]


class ProxyHooksError(Exception):
    """Base of the exceptions for mistakes in the application. A :class:`Rejection` is not one of them."""


class SetupError(ProxyHooksError):
    """A hook, a pattern, a code or a setting is wrong."""


class HookResultError(ProxyHooksError):
    """A hook returned a wrong value; Centrifugo receives HTTP 500."""


class PublicationError(ProxyHooksError):
    """A publication of the backend is not declared for its channel, or does not fit its schema."""


class Rejection(Exception):
    """Base of the refusals that a hook may raise.

    It is not a :class:`ProxyHooksError`, so that code that catches mistakes does not catch refusals.
    """

    code: int
    """Decides what the client does."""

    _text_name: ClassVar[str]
    """The name of the attribute with the text for the client: ``message`` or ``reason``."""
    _example: ClassVar[str]
    """How to raise it, for error texts."""

    @property
    def terminal(self) -> bool:
        """Whether the client SDKs give up instead of trying again."""
        raise NotImplementedError

    @staticmethod
    def _check_code(code: object) -> int:
        raise NotImplementedError

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        raise NotImplementedError

    def _parse_arguments(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[int, str]:
        """The code and the text, from the arguments or else from the class."""
        name, class_code = type(self).__name__, getattr(type(self), "code", None)
        if keywords:
            raise TypeError(f"{name}() has no argument {', '.join(keywords)}: write {self._example}")
        if class_code is None:
            if not args:
                raise TypeError(f"{name}() needs a code, for example {self._example}")
            code, args = self._check_code(args[0]), args[1:]
        else:
            code = self._check_code(class_code)
            if args and not isinstance(args[0], str):
                raise TypeError(
                    f"{name} has the code {code}: its only argument is the {self._text_name}, not {args[0]!r}"
                )
        if len(args) > 1:
            raise TypeError(f"{name}() takes at most a code and a {self._text_name}: remove {args[1:]!r}")
        text = args[0] if args else getattr(type(self), self._text_name, None) or self._builtin_text(code)
        if text is None:
            raise TypeError(f"{name}({code}) needs a {self._text_name}, for example {self._example}")
        if not isinstance(text, str):
            raise TypeError(f"the {self._text_name} must be a str, not {text!r}")
        return code, text

    @classmethod
    def _check_class(cls) -> None:
        """Check the attributes of a subclass when the class is defined.

        :raises SetupError: if no reply may carry its code, or its text is not a non-empty str.
        """
        code, text = getattr(cls, "code", None), getattr(cls, cls._text_name, None)
        if code is not None:
            try:
                cls._check_code(code)
            except (TypeError, ValueError) as error:
                raise SetupError(f"class {cls.__qualname__}: {error}") from None
            if text is None:
                text = cls._builtin_text(code)
                setattr(cls, cls._text_name, text)
        if (code is not None or text is not None) and (not isinstance(text, str) or not text):
            raise SetupError(
                f"class {cls.__qualname__}: its {cls._text_name} must be a non-empty str, not {text!r} "
                "(an Error has a message, a Disconnect has a reason)"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception.__reduce__ would call the class with the text alone, and a subclass may have another __init__.
        return _restore, (type(self), self.args, self.__dict__)


class Error(Rejection):
    """Refuses the operation: ``raise Error(1001, "room is full", temporary=True)``.

    Custom codes are 400-1999; the built-in codes 100-113 may be used too. A class of your own is checked when it is
    defined::

        class RoomIsFull(Error):
            code, message, temporary = 1001, "room is full", True

    The client receives the code and the message. On connect and subscribe the client SDKs give up, unless the error is
    temporary or its code is 109. They never repeat a publish or an rpc.

    :raises TypeError: if code, message or temporary has the wrong type, or the code is missing.
    :raises ValueError: if no reply may carry the code.
    """

    message: str
    """The text for the client."""
    temporary: bool = False
    """Whether the client may try again."""

    _text_name = "message"
    _example = 'Error(1001, "room is full")'
    _check_code = staticmethod(codes.check_error_code)

    @overload
    def __init__(self, message: str = ..., /, *, temporary: bool | None = None) -> None: ...
    @overload
    def __init__(self, code: int, message: str = ..., /, *, temporary: bool | None = None) -> None: ...
    def __init__(self, *args: Any, temporary: bool | None = None, **keywords: Any) -> None:
        self.code, self.message = self._parse_arguments(args, keywords)
        if temporary is None:
            # A class with a code decides for it; for a code in the arguments the built-in table does.
            temporary = type(self).temporary or (not hasattr(type(self), "code") and self.code in _TEMPORARY)
        if not isinstance(temporary, bool):
            raise TypeError(f"temporary must be True or False, not {temporary!r}")
        self.temporary = temporary
        super().__init__(f"{self.code}: {self.message}")

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._check_class()
        if "code" in cls.__dict__ and "temporary" not in cls.__dict__ and cls.code in _TEMPORARY:
            cls.temporary = True
        if not isinstance(cls.temporary, bool):
            raise SetupError(f"class {cls.__qualname__}: temporary must be True or False, not {cls.temporary!r}")

    def __repr__(self) -> str:
        code, message = getattr(self, "code", None), getattr(self, "message", None)
        return f"{type(self).__name__}({code}, {message!r}, temporary={self.temporary})"

    @property
    def terminal(self) -> bool:
        """Whether the client SDKs give up after this error on connect or subscribe."""
        return codes.error_is_terminal(self.code, self.temporary)

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        builtin = codes.ERRORS.get(code)
        return None if builtin is None else builtin.message


class Disconnect(Rejection):
    """Closes the connection of the client: ``raise Disconnect(4501, "unauthorized")``.

    The code decides what the client SDKs do. After 4500-4999 and the built-in 3500-3999 they stay away; after every
    other code they reconnect. With ``Disconnect(4001, "unauthorized")`` the client reconnects for ever.

    The reason is at most 32 characters of ASCII. The reason of a class is checked when the class is defined. The reason
    of an instance is cut, and the log says so, because a refusal must not fail.

    :raises TypeError: if code or reason has the wrong type, or the code is missing.
    :raises ValueError: if no reply may carry the code.
    """

    reason: str
    """The text for the client, at most 32 characters of ASCII."""

    _text_name = "reason"
    _example = 'Disconnect(4501, "unauthorized")'
    _check_code = staticmethod(codes.check_disconnect_code)

    @overload
    def __init__(self, reason: str = ..., /) -> None: ...
    @overload
    def __init__(self, code: int, reason: str = ..., /) -> None: ...
    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.code, reason = self._parse_arguments(args, keywords)
        self.reason = codes.fit_reason(reason)
        if self.reason != reason:
            text = "the reason %s of disconnect %d is not at most 32 bytes of ASCII: %s is sent instead"
            rate_limited.warning(text, repr(reason), self.code, repr(self.reason))
        super().__init__(f"{self.code}: {self.reason}")

    def __init_subclass__(cls, *, sendable: bool = True, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if not sendable:  # a built-in code that no reply may carry
            cls.reason = codes.DISCONNECTS[cls.code]
            return
        cls._check_class()
        reason = getattr(cls, "reason", None)
        if isinstance(reason, str) and codes.fit_reason(reason) != reason:
            raise SetupError(
                f"class {cls.__qualname__}: its reason {reason!r} must be at most {codes.MAX_REASON} bytes of ASCII"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self, 'code', None)}, {getattr(self, 'reason', None)!r})"

    @property
    def terminal(self) -> bool:
        """Whether the client SDKs stay away instead of reconnecting."""
        return codes.disconnect_is_terminal(self.code)

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        return codes.DISCONNECTS.get(code)


_TEMPORARY = frozenset(code for code, builtin in codes.ERRORS.items() if builtin.temporary)


def _restore(cls: type[Rejection], args: tuple[Any, ...], state: dict[str, Any]) -> Rejection:
    rejection = cls.__new__(cls, *args)
    rejection.__dict__.update(state)
    return rejection
