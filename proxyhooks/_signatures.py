"""Whether a function can be a hook, told when it is registered."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from . import messages
from ._events import Event
from .exceptions import SetupError


def where(function: Callable[..., Any]) -> str:
    """The name, the file and the line of a function, for messages."""
    inner = _unwrapped(function)
    code = getattr(inner, "__code__", None) or getattr(getattr(inner, "__func__", None), "__code__", None)
    name = getattr(inner, "__qualname__", repr(inner))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def name_of(function: Callable[..., Any]) -> str:
    inner = _unwrapped(function)
    return f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _unwrapped(function: Callable[..., Any]) -> Any:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.unwrap(inner)


def is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def check_callable(function: object, what: str) -> None:
    """:raises SetupError: if it is not a function, or async where asgiref is missing."""
    if not callable(function) or isinstance(function, type):
        raise SetupError(f"{what} must be a function, not {function!r}")
    if is_async(function) and find_spec("asgiref") is None:
        raise SetupError(
            f"{what} {where(function)} is async, for which Flask needs asgiref: pip install 'flask[async]'"
        )


def check_hook(function: Callable[..., Any], event: Event, variables: tuple[str, ...], pattern: str | None) -> None:
    """Whether the function takes the request and the variables of its pattern, and names the right classes.

    :raises SetupError: if not.
    """
    what = f"hook {where(function)} for {event.name}"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables written in C do not tell
        return
    wanted = ", ".join(["req", *variables])
    try:
        signature.bind(object(), **dict.fromkeys(variables))
    except TypeError as error:
        pattern_text = f"pattern {pattern!r}" if pattern else "no pattern"
        raise SetupError(
            f"{what} does not fit: with {pattern_text} it is called as hook({wanted}), "
            f"but it is defined as {signature} ({error})"
        ) from None
    _check_classes(function, signature, event, what)


def check_before_hook(function: Callable[..., Any]) -> None:
    """:raises SetupError: if it cannot be called with a request alone."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(object())
    except TypeError as error:
        raise SetupError(
            f"before_hook {where(function)} is called as hook(req), but it is defined as {signature} ({error})"
        ) from None


def _check_classes(function: Callable[..., Any], signature: inspect.Signature, event: Event, what: str) -> None:
    try:
        hints = typing.get_type_hints(_unwrapped(function))
    except Exception:  # annotations that cannot be resolved, for whatever reason, are left alone
        return
    first = next(iter(signature.parameters.values()), None)
    if first is not None and first.kind is not inspect.Parameter.VAR_POSITIONAL:
        for given in _message_classes(hints.get(first.name)):
            if not issubclass(event.request, given):
                raise SetupError(
                    f"{what} is given a {event.request.__name__}, but its {first.name} is annotated as {given.__name__}"
                )
    for given in _message_classes(hints.get("return")):
        if not issubclass(event.result, given):
            raise SetupError(
                f"{what} must return a {event.result.__name__}, but is annotated to return {given.__name__}"
            )


def _message_classes(hint: Any) -> list[type]:
    """The message classes of an annotation, if it has nothing but them; otherwise nothing is known."""
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, (messages.Request, messages.Result)):
        return [origin]
    return []
