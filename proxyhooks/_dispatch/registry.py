"""Hooks: a collection of hooks with a decorator for each event. A collection can include others."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from .. import messages as m
from ..exceptions import SetupError
from .decorated import decorated
from .decorators import (
    BeforeHookDecorator,
    DataResultDecorator,
    PatternDataResultDecorator,
    PatternDecorator,
    PatternLike,
    PlainDecorator,
    PublishDecorator,
    SchemaLike,
)
from .dumping import Dumper
from .events import Event
from .index import BeforeHook, Hook, Index, Registration
from .patterns import ChannelPattern, Prefixes
from .publications import Publication, PublicationIndex
from .schema_options import checked_data_schema, checked_result_schema
from .signatures import (
    check_before_hook,
    check_callable,
    check_hook,
    place_of_caller,
    qualified_name,
    source_location,
)

_NO_PREFIXES: Final = Prefixes()
RegisteredT = TypeVar("RegisteredT", Registration, Publication)


class Hooks:
    """A collection of hooks, such as those of one module.

    A :class:`proxyhooks.ProxyHooks` is a collection too, and includes others.

    Each event of Centrifugo has a decorator of its name, such as ``@hooks.connect``, which returns the function
    unchanged. Its options are:

    - a pattern: ``@hooks.publish("chat:<int:room_id>")`` serves the channels that match, and the hook gets the
      variables as keyword arguments. Without a pattern the hook serves every channel or method that no pattern matches.
    - ``data_schema=``: a marshmallow schema, class or instance, or a function ``(data) -> value``, that loads the
      payload of the request. The hook gets what was loaded as ``req.data``.
    - ``result_schema=``: a marshmallow schema that dumps the ``data`` of the result.
    - ``decorators=``: a list of decorators that run before the payload is loaded, such as a rate limit.
    - ``publish_loaded=True``, for publish and map_publish: a result without ``data`` publishes what was loaded, dumped
      by the ``result_schema`` or else by the ``data_schema``. Otherwise Centrifugo publishes all that the client sent.

    ``@hooks.before_hook`` registers a function that runs before the hooks.

    Hooks can be registered, and publications declared, until the first request.

    :raises SetupError: from a decorator, if the hook does not fit its event and pattern, if another hook matches the
        same requests, or if the ``result_schema`` cannot dump JSON.
    """

    def __init__(self) -> None:
        register = self._register
        self.connect = DataResultDecorator[m.ConnectRequest[Any], m.ConnectResult]("connect", register)
        self.refresh = PlainDecorator[m.RefreshRequest[Any], m.RefreshResult]("refresh", register)
        self.subscribe = PatternDataResultDecorator[m.SubscribeRequest[Any, Any], m.SubscribeResult](
            "subscribe", register
        )
        self.sub_refresh = PatternDecorator[m.SubRefreshRequest[Any], m.SubRefreshResult]("sub_refresh", register)
        self.publish = PublishDecorator[m.PublishRequest[Any, Any], m.PublishResult]("publish", register)
        self.rpc = PatternDataResultDecorator[m.RPCRequest[Any, Any], m.RPCResult]("rpc", register)
        self.map_publish = PublishDecorator[m.MapPublishRequest[Any, Any], m.MapPublishResult]("map_publish", register)
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
        self._included: list[tuple[Hooks, Prefixes]] = []
        self._includers: weakref.WeakSet[Hooks] = weakref.WeakSet()
        self._frozen = False

    def _add_before_hook(self, function: Callable[..., Any], every_event: bool) -> None:
        self._require_not_frozen(f"before_hook {source_location(function)}")
        check_callable(function, "before_hook")
        if not isinstance(every_event, bool):
            raise SetupError(f"every_event must be True or False, not {every_event!r}")
        check_before_hook(function, every_event)
        before_hook = BeforeHook(function, every_event)
        # The registrations of this collection change, here and in those that include it: their indexes are built anew.
        # All are built before one is replaced, so that an error changes nothing.
        collections = self._in_each_collection([])
        indexes = {collection: Index(collection._registrations_with(before_hook, self)) for collection in collections}
        for collection, index in indexes.items():
            collection.index = index
        self._before_hooks.append(before_hook)

    def include(self, hooks: Hooks, *, rpc_prefix: str = "", channel_prefix: str = "") -> None:
        """Include another collection, its methods and channels behind prefixes.

        To include it again with the same prefixes does nothing.

        :param rpc_prefix: stands before the methods of its rpc hooks, such as ``"rooms."``.
        :param channel_prefix: stands before the channels of its other hooks and of its publications, such as ``"eu:"``.
            A hook without a pattern then serves every channel with the prefix.
        :raises SetupError: if two hooks match the same requests, or if a collection would include itself.
        """
        if not isinstance(hooks, Hooks):
            raise SetupError(f"include takes Hooks, not {hooks!r}")
        for option, prefix in (("rpc_prefix", rpc_prefix), ("channel_prefix", channel_prefix)):
            if not isinstance(prefix, str) or set("<>") & set(prefix):
                raise SetupError(f"{option} must be a text without variables such as <name>, not {prefix!r}")
        prefixes = Prefixes(method=rpc_prefix, channel=channel_prefix)
        if (hooks, prefixes) in self._included:
            return
        self._require_not_frozen("include")
        if self in hooks._with_included():
            raise SetupError("hooks cannot include themselves, directly or through others")
        registrations, publications = hooks.index.registrations(), hooks.declared_publications
        self._add(
            [registration.within(prefixes, self._before_hooks) for registration in registrations],
            [publication.within(prefixes, self._before_hooks) for publication in publications],
        )
        self._included.append((hooks, prefixes))
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
        instances = [checked_result_schema(f"the schema of publication {pattern.text!r}", schema) for schema in given]
        if any(other is one for number, one in enumerate(given) for other in given[:number]):
            raise SetupError(f"publication {pattern.text!r} has a schema twice")
        dumpers = tuple((one, Dumper(instance, "data")) for one, instance in zip(given, instances, strict=True))
        self._add([], [Publication(pattern, dumpers, place)])

    def dump_publication(self, channel: str, data: Any, *, schema: SchemaLike | None = None) -> Any:
        """Dump the data of a publication through the schema that is declared for the channel, as JSON for ``cent``.

        ::

            data = hooks.dump_publication("chat:7", message)
            client.publish(cent.PublishRequest(channel="chat:7", data=data))

        :param channel: with the prefixes behind which this collection is included.
        :param schema: one of the declared schemas; required if there are several.
        :raises PublicationError: if no publication is declared for the channel, or if the data does not fit its schema.
        """
        outermost = [hooks.declared_publications for hooks in self._with_includers() if not hooks._includers]
        declared = next((index for index in outermost if channel in index), outermost[0])
        return declared.find(channel).dump(channel, data, schema)

    def _register(
        self,
        event: Event,
        function: Callable[..., Any],
        pattern: str | ChannelPattern | None = None,
        data_schema: Any = None,
        result_schema: Any = None,
        publish_loaded: bool = False,
        decorators: Any = (),
    ) -> None:
        location = source_location(function)
        self._require_not_frozen(f"hook {location}")
        check_callable(function, f"a hook for {event.name}")
        if pattern is not None:
            pattern = pattern if isinstance(pattern, ChannelPattern) else ChannelPattern(pattern)
            _check_pattern(pattern, event, location)
        check_hook(function, event, pattern)
        if not isinstance(publish_loaded, bool):
            raise SetupError(f"publish_loaded must be True or False, not {publish_loaded!r}")
        if publish_loaded and data_schema is None:
            raise SetupError(f"hook {location} has publish_loaded, but no data_schema that loads the payload: give one")
        hook = Hook(
            event=event,
            pattern=pattern,
            function=function,
            data_schema=checked_data_schema(data_schema, publish_loaded and result_schema is None),
            result_schema=None if result_schema is None else checked_result_schema("result_schema", result_schema),
            decorated=decorated(function, decorators, data_schema is not None),
            name=qualified_name(function),
            source_location=location,
            publish_loaded=publish_loaded,
        )
        self._add([Registration(hook, pattern, ()).within(_NO_PREFIXES, self._before_hooks)], [])
        self._hooks.append(hook)

    def _add(self, registrations: list[Registration], publications: list[Publication]) -> None:
        """Add registrations and publications to the indexes of every collection that has them, or to none.

        :raises SetupError: if two hooks match the same requests, or two publications the same channels.
        """
        registrations_of = self._in_each_collection(registrations)
        publications_of = self._in_each_collection(publications)
        for collection in registrations_of:
            collection.index.check(registrations_of[collection])
            collection.declared_publications.check(publications_of[collection])
        for collection in registrations_of:
            collection._add_to_index(registrations_of[collection])
            collection.declared_publications.add(publications_of[collection])

    def _add_to_index(self, registrations: list[Registration]) -> None:
        self.index.add(registrations)

    def _in_each_collection(self, registered: list[RegisteredT]) -> dict[Hooks, list[RegisteredT]]:
        """What is registered here as it is in this collection, and in each that includes it at any depth."""
        by_collection: dict[Hooks, list[RegisteredT]] = {self: registered}
        for includer in self._includers:
            for included, prefixes in includer._included:
                if included is self:
                    outer = [one.within(prefixes, includer._before_hooks) for one in registered]
                    for collection, more in includer._in_each_collection(outer).items():
                        by_collection[collection] = by_collection.get(collection, []) + more
        return by_collection

    def _registrations_with(self, before_hook: BeforeHook, owner: Hooks) -> Iterator[Registration]:
        """The registrations of this collection as they will be if *before_hook* is added to *owner*."""
        before_hooks = [*self._before_hooks, before_hook] if self is owner else self._before_hooks
        for hook in self._hooks:
            yield Registration(hook, hook.pattern, ()).within(_NO_PREFIXES, before_hooks)
        for included, prefixes in self._included:
            for registration in included._registrations_with(before_hook, owner):
                yield registration.within(prefixes, before_hooks)

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
