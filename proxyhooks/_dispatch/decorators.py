"""The decorators of :class:`proxyhooks.Hooks`, as types: what a hook takes and returns, per kind of event.

A decorator only registers; it returns the function as it was. Each class is called in two ways: bare with the hook
(``@hooks.connect``) or with options, giving what takes the hook (``@hooks.publish("chat:<name>")``).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from marshmallow import Schema

from .events import Event
from .patterns import ChannelPattern

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")
P = ParamSpec("P")

SchemaLike: TypeAlias = Schema | type[Schema]
Payload: TypeAlias = SchemaLike | Callable[[Any], Any]
Pattern: TypeAlias = str | ChannelPattern
Add: TypeAlias = Callable[[Event, Callable[..., Any], dict[str, Any]], None]


class Register(Protocol[RequestT, ResultT]):
    """What a decorator with options gives."""

    @overload
    def __call__(
        self, hook: Callable[Concatenate[RequestT, P], ResultT], /
    ) -> Callable[Concatenate[RequestT, P], ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[Concatenate[RequestT, P], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[Concatenate[RequestT, P], Coroutine[Any, Any, ResultT]]: ...


class _Decorator:
    def __init__(self, event: Event, add: Add) -> None:
        self._event = event
        self._add = add

    def _bare_or_not(self, target: Any, **options: Any) -> Any:
        if callable(target):
            self._add(self._event, target, options)
            return target

        def register(hook: Any) -> Any:
            self._add(self._event, hook, options)
            return hook

        if target is not None:
            options["pattern"] = target
        return register


class HookDecorator(_Decorator, Generic[RequestT, ResultT]):
    """For events without channel, method or payload."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(self, /) -> Register[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, hook: Any = None, /) -> Any:
        return self._bare_or_not(hook)


class ConnectDecorator(_Decorator, Generic[RequestT, ResultT]):
    """For an event with a payload and no channel."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(self, /, *, data_schema: Payload | None = None) -> Register[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, hook: Any = None, /, *, data_schema: Payload | None = None) -> Any:
        return self._bare_or_not(hook, data_schema=data_schema)


class ChannelDecorator(_Decorator, Generic[RequestT, ResultT]):
    """For events of a channel, without payload."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(self, pattern: Pattern = ..., /) -> Register[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, pattern: Any = None, /) -> Any:
        return self._bare_or_not(pattern)


class SubscribeDecorator(_Decorator, Generic[RequestT, ResultT]):
    """For an event of a channel whose request has a payload."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(
        self, pattern: Pattern = ..., /, *, data_schema: Payload | None = None
    ) -> Register[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, pattern: Any = None, /, *, data_schema: Payload | None = None) -> Any:
        return self._bare_or_not(pattern, data_schema=data_schema)


class PayloadDecorator(_Decorator, Generic[RequestT, ResultT]):
    """For events of a channel or method with a payload both ways."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(
        self,
        pattern: Pattern = ...,
        /,
        *,
        data_schema: Payload | None = None,
        result_schema: SchemaLike | None = None,
    ) -> Register[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(
        self,
        pattern: Any = None,
        /,
        *,
        data_schema: Payload | None = None,
        result_schema: SchemaLike | None = None,
    ) -> Any:
        return self._bare_or_not(pattern, data_schema=data_schema, result_schema=result_schema)
