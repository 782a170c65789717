"""What a hook raises to refuse, and what the package raises at a mistake.

::

    Exception
     ├─ Rejection            a refusal: an answer to the client, not a mistake
     │   ├─ Error            the operation is refused; classes in proxyhooks.errors
     │   └─ Disconnect       the connection is closed; classes in proxyhooks.disconnects
     └─ ProxyHooksError      a mistake in the application
         ├─ SetupError       found when something is defined or configured
         └─ HookResultError  found when a hook has returned
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, overload

from ._wire import codes

__all__ = ["Disconnect", "Error", "HookResultError", "ProxyHooksError", "Rejection", "SetupError"]


class ProxyHooksError(Exception):
    """Base of the mistakes this package reports. A :class:`Rejection` is none of them."""


class SetupError(ProxyHooksError):
    """A hook, a pattern, a code or the configuration cannot work as it is written."""


class HookResultError(ProxyHooksError):
    """A hook returned something that is not an answer; Centrifugo gets HTTP 500."""


class Rejection(Exception):
    """Base of everything a hook may raise to refuse.

    Not a :class:`ProxyHooksError`, so that code which catches mistakes never swallows a denial.
    """

    code: int
    """The number that decides what the client does."""

    _text: ClassVar[str]  # the attribute that holds the text: "message" or "reason"
    _example: ClassVar[str]

    @property
    def terminal(self) -> bool:
        """Whether the client SDKs give up; if not, they try again."""
        raise NotImplementedError

    @staticmethod
    def _check_code(code: object) -> int:
        raise NotImplementedError

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        raise NotImplementedError

    def _take(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[int, str]:
        """The code and the text out of what was given and what the class has of its own."""
        name, own = type(self).__name__, getattr(type(self), "code", None)
        if keywords:
            raise TypeError(f"{name}() has no argument {', '.join(keywords)}: write {self._example}")
        if own is None:
            if not args:
                raise TypeError(f"{name}() needs a code, for example {self._example}")
            code, args = self._check_code(args[0]), args[1:]
        else:
            code = self._check_code(own)
            if args and not isinstance(args[0], str):
                raise TypeError(f"{name} has its code, {code}: give it the {self._text} alone, not {args[0]!r}")
        if len(args) > 1:
            raise TypeError(f"{name}() takes at most a code and a {self._text}, got {args!r} besides")
        text = args[0] if args else getattr(type(self), self._text, None) or self._builtin_text(code)
        if text is None:
            raise TypeError(f"{name}({code}) needs a {self._text}, for example {self._example}")
        if not isinstance(text, str):
            raise TypeError(f"the {self._text} must be a str, not {text!r}")
        return code, text

    @classmethod
    def _check_class(cls) -> None:
        """Check what a subclass says of itself when the class is made.

        :raises SetupError: if its code or its text is not one Centrifugo could carry.
        """
        code, text = getattr(cls, "code", None), getattr(cls, cls._text, None)
        if code is not None:
            try:
                cls._check_code(code)
            except (TypeError, ValueError) as error:
                raise SetupError(f"class {cls.__qualname__}: {error}") from None
            if text is None:
                text = cls._builtin_text(code)
                setattr(cls, cls._text, text)
        if (code is not None or text is not None) and (not isinstance(text, str) or not text):
            raise SetupError(
                f"class {cls.__qualname__}: its {cls._text} must be a text, not {text!r} "
                "(an Error has a message, a Disconnect a reason)"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way would call the class with the text alone, whatever its __init__ wants.
        return _restore, (type(self), self.args, self.__dict__)


class Error(Rejection):
    """The operation is refused: ``raise Error(1001, "room is full", temporary=True)``.

    Custom codes are 400-1999, and the built-in codes 100-113 may be reused. A class of your own is checked when it
    is made::

        class RoomIsFull(Error):
            code, message, temporary = 1001, "room is full", True

    The client gets the code and the message. On connect and subscribe an error is final for the client SDKs unless
    it is temporary (or its code is 109); publish and rpc are never repeated by the SDK itself.

    :raises TypeError: if code, message or temporary has the wrong type, or there is no code.
    :raises ValueError: if no reply may carry the code.
    """

    message: str
    """The text for the client."""
    temporary: bool = False
    """Whether the client may try again."""

    _text = "message"
    _example = 'Error(1001, "room is full")'
    _check_code = staticmethod(codes.check_error_code)

    @overload
    def __init__(self, message: str = ..., /, *, temporary: bool | None = None) -> None: ...
    @overload
    def __init__(self, code: int, message: str = ..., /, *, temporary: bool | None = None) -> None: ...
    def __init__(self, *args: Any, temporary: bool | None = None, **keywords: Any) -> None:
        self.code, self.message = self._take(args, keywords)
        if temporary is None:
            # A class says it for its own code; for a code given here the built-in ones are known.
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
        return f"{type(self).__name__}({self.code}, {self.message!r}, temporary={self.temporary})"

    @property
    def terminal(self) -> bool:
        """Whether the client gives up when connect or subscribe is answered so."""
        return codes.error_is_terminal(self.code, self.temporary)

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        builtin = codes.ERRORS.get(code)
        return None if builtin is None else builtin.message


class Disconnect(Rejection):
    """The client's connection is closed: ``raise Disconnect(4501, "unauthorized")``.

    The number decides: after 3500-3999 and 4500-4999 the client SDKs stay away, after every other code they come
    back, 4000-4499 included. ``Disconnect(4001, "unauthorized")`` is legal, and its client reconnects for ever.

    The reason is at most 32 bytes of ASCII. In a class this is checked when the class is made; a text given to an
    instance is cut and a :class:`UserWarning` given, because a refusal must not fail.

    :raises TypeError: if code or reason has the wrong type, or there is no code.
    :raises ValueError: if no reply may carry the code.
    """

    reason: str
    """The text for the client, at most 32 bytes of ASCII."""

    _text = "reason"
    _example = 'Disconnect(4501, "unauthorized")'
    _check_code = staticmethod(codes.check_disconnect_code)

    @overload
    def __init__(self, reason: str = ..., /) -> None: ...
    @overload
    def __init__(self, code: int, reason: str = ..., /) -> None: ...
    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.code, reason = self._take(args, keywords)
        self.reason = codes.fit_reason(reason)
        if self.reason != reason:
            warnings.warn(
                f"the reason {reason!r} of disconnect {self.code} is not 32 bytes of ASCII or less: "
                f"{self.reason!r} is sent",
                stacklevel=2,
            )
        super().__init__(f"{self.code}: {self.reason}")

    def __init_subclass__(cls, *, sendable: bool = True, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if not sendable:  # in the catalogue, but no reply may carry it
            cls.reason = codes.DISCONNECTS[cls.code]
            return
        cls._check_class()
        reason = getattr(cls, "reason", None)
        if isinstance(reason, str) and codes.fit_reason(reason) != reason:
            raise SetupError(
                f"class {cls.__qualname__}: its reason {reason!r} must be at most {codes.MAX_REASON} bytes of ASCII"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}, {self.reason!r})"

    @property
    def terminal(self) -> bool:
        """Whether the client stays away; if not, it reconnects."""
        return codes.disconnect_is_terminal(self.code)

    @staticmethod
    def _builtin_text(code: int) -> str | None:
        return codes.DISCONNECTS.get(code)


_TEMPORARY = frozenset(code for code, builtin in codes.ERRORS.items() if builtin.temporary)


def _restore(cls: type[Rejection], args: tuple[Any, ...], state: dict[str, Any]) -> Rejection:
    rejection = cls.__new__(cls, *args)
    rejection.__dict__.update(state)
    return rejection
