"""The signatures of hooks: checks at registration that a function can be a hook, and its name for messages."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from types import CodeType
from typing import Any

from .. import messages
from ..exceptions import SetupError
from .events import Event
from .patterns import ChannelPattern


def source_location(function: Callable[..., Any]) -> str:
    """The name, file and line of a function, for messages."""
    inner, code = _unwrapped(function), code_of(function)
    _, name = _module_and_name(inner)
    owner = getattr(inner, "__self__", None)
    if code is None or (isinstance(owner, type) and inner.__name__ not in vars(owner)):
        return name  # without the place of a method that the class inherits, perhaps from another package
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _module_and_name(inner: Any) -> tuple[str, str]:
    owner = getattr(inner, "__self__", None)
    if isinstance(owner, type):  # a class method, such as Order.model_validate
        return owner.__module__, f"{owner.__qualname__}.{inner.__name__}"
    return str(getattr(inner, "__module__", "?")), getattr(inner, "__qualname__", type(inner).__qualname__)


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """The code of a function inside partials and decorators, or of the ``__call__`` of an object; None if C has it."""
    inner = _unwrapped(function)
    called = inner if inspect.isroutine(inner) else type(inner).__call__
    code: CodeType | None = getattr(getattr(called, "__func__", called), "__code__", None)
    return code


def place_of_caller() -> tuple[str, int]:
    """File and line of the call of the function that calls this one."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame and frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("?", 0)


def qualified_name(function: Callable[..., Any]) -> str:
    """The module and name of a function, such as ``rooms.chat.publish``."""
    return ".".join(_module_and_name(_unwrapped(function)))


def _unwrapped(function: Callable[..., Any]) -> Any:
    """The function inside partials and decorators."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.unwrap(inner)


def copy_metadata(function: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Give a wrapper, which is not async, the name and the attributes of the function; return the wrapper."""
    functools.update_wrapper(wrapper, function, updated=())
    attributes = vars(wrapper)  # a mock has __code__ among its own, which setattr would replace
    for name, value in getattr(function, "__dict__", {}).items():
        attributes[name] = value
        if inspect.iscoroutinefunction(wrapper):  # the mark of an async function
            del attributes[name]
    return wrapper


def is_async(function: Callable[..., Any]) -> bool:
    """Whether the function is async, or is an object with an async ``__call__``."""
    return any(map(inspect.iscoroutinefunction, _called(function)))


def yields(function: Callable[..., Any]) -> bool:
    """Whether the function yields, so that a call of it runs nothing, or is an object whose ``__call__`` does."""
    return any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in _called(function))


def why_not_run(function: Callable[..., Any]) -> str | None:
    """Why a call of the function runs nothing, for messages: it "is async" or "yields". None if it runs."""
    return "is async" if is_async(function) else "yields" if yields(function) else None


def _called(function: Callable[..., Any]) -> tuple[Any, Any]:
    """The function inside partials, and its ``__call__``."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inner, getattr(inner, "__call__", None)  # noqa: B004  # it is called, not only looked for


def check_callable(function: object, role: str) -> None:
    """Check that the argument is a function that returns.

    :param role: for the message, such as ``a hook for rpc``.
    :raises SetupError: if it is no function, or if it yields.
    """
    if not callable(function) or isinstance(function, type):
        raise SetupError(f"{role} must be a function, not {function!r}")
    if yields(function):
        raise SetupError(f"{role} {source_location(function)} yields: it must return")


def check_hook(function: Callable[..., Any], event: Event, pattern: ChannelPattern | None) -> None:
    """Check that the function takes the request and the pattern's variables, and that its annotations fit.

    :raises SetupError: if it does not, or they do not.
    """
    description = f"hook {source_location(function)} for {event.name}"
    variables = pattern.variables if pattern else ()
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables written in C have no signature
        return
    try:
        signature.bind(object(), **dict.fromkeys(variables))
    except TypeError as error:
        if not _decorator_may_change_arguments(function, signature, variables):
            pattern_text = f"pattern {pattern.text!r}" if pattern else "no pattern"
            call = f"hook({', '.join(['req', *variables])})"
            raise SetupError(
                f"{description} does not fit: with {pattern_text} it is called as {call}, "
                f"but it is defined as {signature} ({error})"
            ) from None
    hints = _check_message_hints(function, signature, description, event.request, event.result)
    for name, variable_class in pattern.kinds.items() if pattern else ():
        # A decorator that takes the variable may pass another value under the same name.
        hint = None if name in _decorator_parameters(function) else hints.get(name)
        if isinstance(hint, type) and not issubclass(variable_class, hint):
            raise SetupError(
                f"{description}: {name} is {variable_class.__name__} in the pattern, "
                f"but is annotated as {hint.__name__}"
            )


def check_before_hook(function: Callable[..., Any], every_event: bool) -> None:
    """Check that the function takes the request alone, and that its annotations fit.

    :param every_event: whether it gets the requests of every event, or of connected clients only.
    :raises SetupError: if it does not, or they do not.
    """
    description = f"before_hook {source_location(function)}"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(object())
    except TypeError as error:
        raise SetupError(
            f"{description} does not fit: it is called as before_hook(req), but it is defined as {signature} ({error})"
        ) from None
    request = messages.Request if every_event else messages.UserRequest
    _check_message_hints(function, signature, description, request, type(None))


def _decorator_may_change_arguments(
    function: Callable[..., Any], signature: inspect.Signature, variables: tuple[str, ...]
) -> bool:
    """Whether the function can fit because a decorator around it adds or replaces arguments.

    So it can if the decorator takes the pattern's variables, and the function those that the decorator passes on.
    """
    if not hasattr(function, "__wrapped__"):
        return False
    try:
        inspect.signature(function, follow_wrapped=False).bind(object(), **dict.fromkeys(variables))
        # A decorator passes on the variables that it does not take by name.
        passed_on = [name for name in variables if name not in _decorator_parameters(function)]
        signature.bind_partial(object(), **dict.fromkeys(passed_on))
    except TypeError:
        return False
    return True


def _decorator_parameters(function: Callable[..., Any]) -> set[str]:
    """The names of the parameters of the decorator around a function; empty if there is none."""
    if not hasattr(function, "__wrapped__"):
        return set()
    return set(inspect.signature(function, follow_wrapped=False).parameters)


def _check_message_hints(
    function: Callable[..., Any], signature: inspect.Signature, description: str, request: type, result: type
) -> dict[str, Any]:
    """Check the annotations of the request and the return value. Return all annotations.

    :param description: of the function, for messages.
    :param request: the class of the requests that the function gets.
    :param result: the class of the results that it must return.
    """
    try:
        hints = typing.get_type_hints(_unwrapped(function))
    except Exception:  # annotations are any code; one that cannot be resolved is not checked
        return {}
    first = next(iter(signature.parameters.values()), None)
    if first is not None and first.kind is not inspect.Parameter.VAR_POSITIONAL:
        annotated = _message_class(hints.get(first.name))
        if annotated is not None and not issubclass(request, annotated):
            raise SetupError(
                f"{description} is called with {request.__name__}, "
                f"but {first.name} is annotated as {annotated.__name__}"
            )
    annotated = _message_class(hints.get("return"))
    if annotated is not None and not issubclass(result, annotated):
        raise SetupError(
            f"{description} must return {result.__name__}, but is annotated to return {annotated.__name__}"
        )
    return hints


def _message_class(hint: Any) -> type | None:
    """The message class that an annotation names; ``None`` for every other annotation."""
    origin = typing.get_origin(hint) or hint
    is_message = isinstance(origin, type) and issubclass(origin, (messages.Request, messages.Result))
    return origin if is_message else None
