"""Hooks: a collection of hooks with a decorator for each event. A collection can include others."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from marshmallow import Schema

from .. import messages as m
from ..exceptions import SetupError
from .decorators import (
    BeforeHookDecorator,
    DataResultDecorator,
    PatternDataResultDecorator,
    PatternDecorator,
    PatternLike,
    PlainDecorator,
    SchemaLike,
)
from .dumping import Dumper
from .events import Event
from .index import BeforeHook, Hook, Index, Registration
from .json_fields import check_dumps_json
from .patterns import ChannelPattern
from .publications import Publication, PublicationIndex
from .signatures import (
    check_before_hook,
    check_callable,
    check_decorators,
    check_hook,
    is_async,
    place_of_caller,
    qualified_name,
    source_location,
)


class Hooks:
    """A collection of hooks, such as those of one module.

    A :class:`proxyhooks.ProxyHooks` is a collection too, and includes others.

    Each event of Centrifugo has a decorator of its name, such as ``@hooks.connect``, which returns the function
    unchanged. Its options are:

    - a pattern: ``@hooks.publish("chat:<int:room_id>")`` serves the channels that match, and the hook gets the
      variables as keyword arguments; without a pattern the hook serves every channel or method that no pattern matches;
    - ``data_schema=``: a marshmallow schema, class or instance, or a function ``(data) -> value``, that converts the
      payload of the request; the hook gets the converted payload as ``req.data``;
    - ``result_schema=``: a marshmallow schema that dumps the ``data`` of the result;
    - ``decorators=``: a list of decorators that run before the payload is read, such as a rate limit.

    Hooks can be registered, and publications declared, until the first request.

    :raises SetupError: from a decorator, if the hook does not fit its event and pattern, if another hook matches the
        same requests, if the ``result_schema`` cannot dump JSON, or if the hook is async and asgiref is missing.
    """

    def __init__(self) -> None:
        register = self._register
        self.connect = DataResultDecorator[m.ConnectRequest[Any], m.ConnectResult]("connect", register)
        self.refresh = PlainDecorator[m.RefreshRequest[Any], m.RefreshResult]("refresh", register)
        self.subscribe = PatternDataResultDecorator[m.SubscribeRequest[Any, Any], m.SubscribeResult](
            "subscribe", register
        )
        self.sub_refresh = PatternDecorator[m.SubRefreshRequest[Any], m.SubRefreshResult]("sub_refresh", register)
        self.publish = PatternDataResultDecorator[m.PublishRequest[Any, Any], m.PublishResult]("publish", register)
        self.rpc = PatternDataResultDecorator[m.RPCRequest[Any, Any], m.RPCResult]("rpc", register)
        self.map_publish = PatternDataResultDecorator[m.MapPublishRequest[Any, Any], m.MapPublishResult](
            "map_publish", register
        )
        self.map_remove = PatternDecorator[m.MapRemoveRequest[Any], m.MapRemoveResult]("map_remove", register)
        self.shared_poll_refresh = PatternDecorator[m.SharedPollRefreshRequest, m.SharedPollRefreshResult](
            "shared_poll_refresh", register
        )
        self.cache_empty = PatternDecorator[m.NotifyCacheEmptyRequest, m.NotifyCacheEmptyResult | None](
            "cache_empty", register
        )
        self.state = PlainDecorator[m.NotifyChannelStateRequest, m.NotifyChannelStateResult | None]("state", register)
        self.before_hook = BeforeHookDecorator(self._add_before_hook)
        self.index = Index()
        """All hooks of this collection and of those that it includes. Every registration updates it."""
        self.declared_publications = PublicationIndex()
        """All publications that this collection and those that it includes declare."""
        self._hooks: list[Hook] = []
        self._before_hooks: list[BeforeHook] = []
        self._included: list[tuple[Hooks, str]] = []
        self._includers: weakref.WeakSet[Hooks] = weakref.WeakSet()
        self._frozen = False

    def _add_before_hook(self, function: Callable[..., Any], every_event: bool) -> None:
        self._require_not_frozen(f"before_hook {source_location(function)}")
        check_callable(function, "before_hook")
        check_before_hook(function, every_event)
        before_hook = BeforeHook(function, every_event)
        # The registrations of this collection change, here and in those that include it: their indexes are built anew.
        # All are built before one is replaced, so that an error changes nothing.
        collections = self._in_each_collection([])
        indexes = {collection: Index(collection._registrations_with(before_hook, self)) for collection in collections}
        for collection, index in indexes.items():
            collection.index = index
        self._before_hooks.append(before_hook)

    def include(self, hooks: Hooks, *, rpc_prefix: str = "") -> None:
        """Include another collection, its RPC methods behind a prefix. To include it so again does nothing.

        :raises SetupError: if two hooks match the same requests, or if a collection would include itself.
        """
        if not isinstance(hooks, Hooks):
            raise SetupError(f"include takes Hooks, not {hooks!r}")
        if not isinstance(rpc_prefix, str) or set("<>") & set(rpc_prefix):
            raise SetupError(f"rpc_prefix must be a text without variables such as 'rooms.', not {rpc_prefix!r}")
        if (hooks, rpc_prefix) in self._included:
            return
        self._require_not_frozen("include")
        if self in hooks._with_included():
            raise SetupError("hooks cannot include themselves, directly or through others")
        included = hooks.index.registrations()
        self._check_publications(hooks.declared_publications)
        self._add([registration.within(rpc_prefix, self._before_hooks) for registration in included])
        self._add_publications(hooks.declared_publications)
        self._included.append((hooks, rpc_prefix))
        hooks._includers.add(self)

    def publication(self, pattern: PatternLike, schema: SchemaLike, /, *schemas: SchemaLike) -> None:
        """Declare what the backend publishes to the channels of a pattern, through Centrifugo's server API.

        :meth:`dump_publication` dumps it, and the contract for the front end has its type. Several schemas are several
        kinds of publications, such as messages and joins.

        :raises SetupError: if the pattern is declared already or is ambiguous with another one, or if a schema is none
            or cannot dump JSON.
        """
        place = place_of_caller()
        self._require_not_frozen(f"publication {pattern!r} ({place[0]}:{place[1]})")
        pattern = pattern if isinstance(pattern, ChannelPattern) else ChannelPattern(pattern)
        given = (schema, *schemas)
        instances = [_checked_result_schema(f"the schema of publication {pattern.text!r}", schema) for schema in given]
        if any(other is one for number, one in enumerate(given) for other in given[:number]):
            raise SetupError(f"publication {pattern.text!r} has a schema twice")
        dumpers = tuple((one, Dumper(instance, "data")) for one, instance in zip(given, instances, strict=True))
        new = [Publication(pattern, dumpers, place)]
        self._check_publications(new)
        self._add_publications(new)

    def dump_publication(self, channel: str, data: Any, *, schema: SchemaLike | None = None) -> Any:
        """Dump the data of a publication through the schema that is declared for the channel, as JSON for ``cent``.

        ::

            data = hooks.dump_publication("chat:7", message)
            client.publish(cent.PublishRequest(channel="chat:7", data=data))

        :param schema: one of the declared schemas; required if there are several.
        :raises PublicationError: if no publication is declared for the channel, or if the data does not fit its schema.
        """
        return self.declared_publications.find(channel).dump(channel, data, schema)

    def _register(
        self,
        event: Event,
        function: Callable[..., Any],
        pattern: str | ChannelPattern | None = None,
        data_schema: Any = None,
        result_schema: Any = None,
        decorators: Any = (),
    ) -> None:
        location = source_location(function)
        self._require_not_frozen(f"hook {location}")
        check_callable(function, f"a hook for {event.name}")
        if pattern is not None:
            pattern = pattern if isinstance(pattern, ChannelPattern) else ChannelPattern(pattern)
            _check_pattern(pattern, event, location)
        check_hook(function, event, pattern)
        hook = Hook(
            event=event,
            pattern=pattern,
            function=function,
            data_schema=_checked_schema("data_schema", data_schema, function_allowed=True),
            result_schema=None if result_schema is None else _checked_result_schema("result_schema", result_schema),
            decorators=check_decorators(decorators, location),
            name=qualified_name(function),
            source_location=location,
        )
        self._add([Registration(hook, pattern, ()).within("", self._before_hooks)])
        self._hooks.append(hook)

    def _add(self, registrations: list[Registration]) -> None:
        """Add registrations to the index of every collection that has them, or to none.

        :raises SetupError: if two hooks match the same requests.
        """
        by_collection = self._in_each_collection(registrations)
        for collection, new in by_collection.items():
            collection.index.check(new)
        for collection, new in by_collection.items():
            collection._add_to_index(new)

    def _add_to_index(self, registrations: list[Registration]) -> None:
        self.index.add(registrations)

    def _check_publications(self, publications: Iterable[Publication]) -> None:
        for publication in publications:
            for collection in self._with_includers():
                collection.declared_publications.check(publication)

    def _add_publications(self, publications: Iterable[Publication]) -> None:
        for publication in publications:
            for collection in self._with_includers():
                collection.declared_publications.add(publication)

    def _in_each_collection(self, registrations: list[Registration]) -> dict[Hooks, list[Registration]]:
        """Registrations of this collection as they are in it, and in each collection that includes it at any depth."""
        by_collection: dict[Hooks, list[Registration]] = {self: registrations}
        for includer in self._includers:
            for included, rpc_prefix in includer._included:
                if included is self:
                    outer = [registration.within(rpc_prefix, includer._before_hooks) for registration in registrations]
                    for collection, more in includer._in_each_collection(outer).items():
                        by_collection[collection] = by_collection.get(collection, []) + more
        return by_collection

    def _registrations_with(self, before_hook: BeforeHook, owner: Hooks) -> Iterator[Registration]:
        """The registrations of this collection as they will be if *before_hook* is added to *owner*."""
        before_hooks = [*self._before_hooks, before_hook] if self is owner else self._before_hooks
        for hook in self._hooks:
            yield Registration(hook, hook.pattern, ()).within("", before_hooks)
        for included, rpc_prefix in self._included:
            for registration in included._registrations_with(before_hook, owner):
                yield registration.within(rpc_prefix, before_hooks)

    def _with_included(self) -> Iterator[Hooks]:
        """This collection, and each that it includes at any depth."""
        yield self
        for included, _ in self._included:
            yield from included._with_included()

    def _with_includers(self) -> Iterator[Hooks]:
        """This collection, and each that includes it at any depth."""
        yield self
        for includer in self._includers:
            yield from includer._with_includers()

    def _freeze(self) -> None:
        """End registration, also in the collections that this one includes."""
        for collection in self._with_included():
            collection._frozen = True

    def _require_not_frozen(self, registered: str) -> None:
        if self._frozen:
            raise SetupError(f"{registered} comes too late: hooks must be registered before the first request")


def _check_pattern(pattern: ChannelPattern, event: Event, location: str) -> None:
    if event.routed_on is None:
        raise SetupError(f"hook {location}: {event.name} has no channel or method, so it takes no {pattern!r}")


def _checked_result_schema(option: str, schema: Any) -> Schema:
    instance = _checked_schema(option, schema)
    if instance is None:
        raise SetupError(f"{option} must be a marshmallow schema, class or instance, not None")
    check_dumps_json(option, instance)
    return cast(Schema, instance)


def _checked_schema(option: str, schema: Any, *, function_allowed: bool = False) -> Any:
    if isinstance(schema, type) and issubclass(schema, Schema):
        return schema()
    if schema is None or isinstance(schema, Schema):
        return schema
    if not function_allowed or not callable(schema) or isinstance(schema, type):
        or_function = ", or a function (data) -> value" if function_allowed else ""
        raise SetupError(f"{option} must be a marshmallow schema, class or instance{or_function}, not {schema!r}")
    if is_async(schema):
        raise SetupError(
            f"{option} {source_location(schema)} is async, so it would validate nothing: make it a plain function"
        )
    return schema
