"""The decorators of :class:`proxyhooks.Hooks`, one class for each set of options.

A decorator registers the hook and returns it unchanged. It is called with the hook, as in ``@hooks.connect``, or with
options, as in ``@hooks.publish("chat:<name>")``; with options it returns the decorator of the hook.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from marshmallow import Schema

from .. import messages as m
from .events import EVENTS, Event
from .patterns import ChannelPattern

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")
P = ParamSpec("P")
BeforeHookT = TypeVar("BeforeHookT", bound=Callable[[m.UserRequest[Any]], Coroutine[Any, Any, None] | None])
BeforeEveryEventT = TypeVar("BeforeEveryEventT", bound=Callable[[m.Request], Coroutine[Any, Any, None] | None])

SchemaLike: TypeAlias = Schema | type[Schema]
DataSchema: TypeAlias = SchemaLike | Callable[[Any], Any]
Decorators: TypeAlias = Sequence[Callable[[Any], Any]]
PatternLike: TypeAlias = str | ChannelPattern
Register: TypeAlias = Callable[..., None]
"""Called with the event, the hook, and the options as keyword arguments."""


class DecoratorWithOptions(Protocol[RequestT, ResultT]):
    """The decorator that a call without the hook returns, such as ``hooks.publish("chat:<name>")``."""

    @overload
    def __call__(
        self, hook: Callable[Concatenate[RequestT, P], ResultT], /
    ) -> Callable[Concatenate[RequestT, P], ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[Concatenate[RequestT, P], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[Concatenate[RequestT, P], Coroutine[Any, Any, ResultT]]: ...


class _Decorator:
    """What all decorators share; the overloads of each subclass only say which options its event has."""

    def __init__(self, event: str, register: Register) -> None:
        self._event: Event = EVENTS[event]
        self._register = register

    def _decorate(self, hook_or_pattern: Any, **options: Any) -> Any:
        if callable(hook_or_pattern):
            self._register(self._event, hook_or_pattern, **options)
            return hook_or_pattern
        if hook_or_pattern is not None:
            options["pattern"] = hook_or_pattern

        def decorate(hook: Any) -> Any:
            self._register(self._event, hook, **options)
            return hook

        return decorate


class BeforeHookDecorator:
    """Run the function before each hook of this collection and of those that it includes, outer functions first.

    ``@hooks.before_hook`` runs it before the events whose request has a ``user``. That leaves out connect, shared polls
    and the events of Centrifugo PRO. ``@hooks.before_hook(every_event=True)`` runs it before every event. The function
    runs after the hook is found and before the payload is read. It returns nothing and may raise a refusal.

    :raises SetupError: if the function does not take the request alone, or if hooks that are included in two ways would
        no longer have the same before_hooks.
    """

    def __init__(self, add: Callable[[Any, bool], None]) -> None:
        self._add = add

    @overload
    def __call__(self, function: BeforeHookT, /) -> BeforeHookT: ...
    @overload
    def __call__(self, function: BeforeEveryEventT, /, *, every_event: Literal[True]) -> BeforeEveryEventT: ...
    @overload
    def __call__(self, /, *, every_event: Literal[True]) -> Callable[[BeforeEveryEventT], BeforeEveryEventT]: ...
    @overload
    def __call__(self, /, *, every_event: Literal[False] = ...) -> Callable[[BeforeHookT], BeforeHookT]: ...
    def __call__(self, function: Any = None, /, *, every_event: bool = False) -> Any:
        if function is not None:
            self._add(function, every_event)
            return function

        def decorate(function: Any) -> Any:
            self._add(function, every_event)
            return function

        return decorate


class PlainDecorator(_Decorator, Generic[RequestT, ResultT]):
    """Takes no options."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(self, /) -> DecoratorWithOptions[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, hook: Any = None, /) -> Any:
        return self._decorate(hook)


class DataResultDecorator(_Decorator, Generic[RequestT, ResultT]):
    """Takes schemas for the payloads of request and result, and decorators that run before the payload is read."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(
        self,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        decorators: Decorators = (),
    ) -> DecoratorWithOptions[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(
        self,
        hook: Any = None,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        decorators: Decorators = (),
    ) -> Any:
        return self._decorate(hook, data_schema=data_schema, result_schema=result_schema, decorators=decorators)


class PatternDecorator(_Decorator, Generic[RequestT, ResultT]):
    """Takes a pattern."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(self, pattern: PatternLike = ..., /) -> DecoratorWithOptions[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(self, hook_or_pattern: Any = None, /) -> Any:
        return self._decorate(hook_or_pattern)


class PatternDataResultDecorator(_Decorator, Generic[RequestT, ResultT]):
    """Takes a pattern, and the options of :class:`DataResultDecorator`."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(
        self,
        pattern: PatternLike = ...,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        decorators: Decorators = (),
    ) -> DecoratorWithOptions[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(
        self,
        hook_or_pattern: Any = None,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        decorators: Decorators = (),
    ) -> Any:
        return self._decorate(
            hook_or_pattern, data_schema=data_schema, result_schema=result_schema, decorators=decorators
        )


class PublishDecorator(_Decorator, Generic[RequestT, ResultT]):
    """Takes a pattern, schemas for the payloads of request and result, and what a result without data publishes."""

    @overload
    def __call__(self, hook: Callable[[RequestT], ResultT], /) -> Callable[[RequestT], ResultT]: ...
    @overload
    def __call__(
        self,
        pattern: PatternLike = ...,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        publish_loaded: bool = False,
        decorators: Decorators = (),
    ) -> DecoratorWithOptions[RequestT, ResultT]: ...
    @overload
    def __call__(
        self, hook: Callable[[RequestT], Coroutine[Any, Any, ResultT]], /
    ) -> Callable[[RequestT], Coroutine[Any, Any, ResultT]]: ...
    def __call__(
        self,
        hook_or_pattern: Any = None,
        /,
        *,
        data_schema: DataSchema | None = None,
        result_schema: SchemaLike | None = None,
        publish_loaded: bool = False,
        decorators: Decorators = (),
    ) -> Any:
        return self._decorate(
            hook_or_pattern,
            data_schema=data_schema,
            result_schema=result_schema,
            publish_loaded=publish_loaded,
            decorators=decorators,
        )
