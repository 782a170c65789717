"""Whether a function can be a hook, told when it is registered."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .. import messages
from ..exceptions import SetupError
from .events import Event
from .patterns import ChannelPattern


def source_location(function: Callable[..., Any]) -> str:
    """The name, the file and the line of a function, for messages."""
    inner = _unwrapped(function)
    code = getattr(inner, "__code__", None) or getattr(getattr(inner, "__func__", None), "__code__", None)
    name = getattr(inner, "__qualname__", repr(inner))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def qualified_name(function: Callable[..., Any]) -> str:
    inner = _unwrapped(function)
    return f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _unwrapped(function: Callable[..., Any]) -> Any:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.unwrap(inner)


def is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  # of an object whose class has an async one
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def check_callable(function: object, what: str) -> None:
    """:raises SetupError: if it is not a function, or async where asgiref is missing."""
    if not callable(function) or isinstance(function, type):
        raise SetupError(f"{what} must be a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SetupError(f"{what} {source_location(function)} yields: it must return")
    if is_async(function) and find_spec("asgiref") is None:
        raise SetupError(
            f"{what} {source_location(function)} is async, for which Flask needs asgiref: pip install 'flask[async]'"
        )


def check_hook(function: Callable[..., Any], event: Event, pattern: ChannelPattern | None) -> None:
    """Whether the function takes the request and the variables of its pattern, and names the right classes.

    :raises SetupError: if not.
    """
    what = f"hook {source_location(function)} for {event.name}"
    variables = pattern.variables if pattern else ()
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables written in C do not tell
        return
    wanted = ", ".join(["req", *variables])
    try:
        signature.bind(object(), **dict.fromkeys(variables))
    except TypeError as error:
        if not _is_given_others(function, signature, variables):
            pattern_text = f"pattern {pattern.text!r}" if pattern else "no pattern"
            raise SetupError(
                f"{what} does not fit: with {pattern_text} it is called as hook({wanted}), "
                f"but it is defined as {signature} ({error})"
            ) from None
    hints = _check_classes(function, signature, what, event.request, event.result)
    for name, kind in pattern.kinds.items() if pattern else ():
        # A decorator that takes the variable itself may hand on something else under its name.
        hint = None if name in _own_parameters(function) else hints.get(name)
        if isinstance(hint, type) and not issubclass(kind, hint):
            raise SetupError(f"{what}: its {name} is {kind.__name__}, but is annotated as {hint.__name__}")


def _is_given_others(function: Callable[..., Any], signature: inspect.Signature, variables: tuple[str, ...]) -> bool:
    """Whether a decorator around the function may hand it other arguments than those of the pattern."""
    if not hasattr(function, "__wrapped__"):
        return False
    arguments = dict.fromkeys(variables)
    try:
        inspect.signature(function, follow_wrapped=False).bind(object(), **arguments)
        # What the decorator does not take by name it hands on, and the function must know it.
        handed_on = {name: None for name in variables if name not in _own_parameters(function)}
        signature.bind_partial(object(), **handed_on)
    except TypeError:
        return False
    return True


def _own_parameters(function: Callable[..., Any]) -> set[str]:
    """The parameters that the decorator around a function names; none, if there is no decorator."""
    if not hasattr(function, "__wrapped__"):
        return set()
    return set(inspect.signature(function, follow_wrapped=False).parameters)


def check_before_hook(function: Callable[..., Any]) -> None:
    """:raises SetupError: if it cannot be called with the request of a connected client alone."""
    what = f"before_hook {source_location(function)}"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(object())
    except TypeError as error:
        raise SetupError(f"{what} is called as hook(req), but it is defined as {signature} ({error})") from None
    _check_classes(function, signature, what, messages.UserRequest, type(None))


def _check_classes(
    function: Callable[..., Any], signature: inspect.Signature, what: str, request: type, result: type
) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(_unwrapped(function))
    except Exception:  # annotations that cannot be resolved, for whatever reason, are left alone
        return {}
    first = next(iter(signature.parameters.values()), None)
    if first is not None and first.kind is not inspect.Parameter.VAR_POSITIONAL:
        given = _message_class(hints.get(first.name))
        if given is not None and not issubclass(request, given):
            raise SetupError(
                f"{what} is given a {request.__name__}, but its {first.name} is annotated as {given.__name__}"
            )
    given = _message_class(hints.get("return"))
    if given is not None and not issubclass(result, given):
        raise SetupError(f"{what} must return a {result.__name__}, but is annotated to return {given.__name__}")
    return hints


def _message_class(hint: Any) -> type | None:
    """The message class that an annotation is; of anything else nothing is known."""
    origin = typing.get_origin(hint) or hint
    is_message = isinstance(origin, type) and issubclass(origin, (messages.Request, messages.Result))
    return origin if is_message else None
