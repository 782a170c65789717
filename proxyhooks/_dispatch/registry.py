"""Hooks: the decorators' registry, how registries are joined, and the index that finds a hook."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from marshmallow import Schema

from .. import messages as m
from ..exceptions import SetupError
from .decorators import ChannelDecorator, ConnectDecorator, HookDecorator, PayloadDecorator, SubscribeDecorator
from .events import EVENTS, Event
from .index import Hook, Index
from .patterns import ChannelPattern
from .signatures import check_before_hook, check_callable, check_hook, is_async, qualified_name, source_location

BeforeHookT = TypeVar("BeforeHookT", bound=Callable[[m.UserRequest[Any]], Coroutine[Any, Any, None] | None])


class Hooks:
    """A collection of hooks: a module's own, to be included in a :class:`proxyhooks.ProxyHooks`, or that itself.

    Each event of Centrifugo is a decorator of that name: ``connect``, ``refresh``, ``subscribe``, ``sub_refresh``,
    ``publish``, ``rpc``, ``map_publish``, ``map_remove``, ``shared_poll_refresh``, ``cache_empty`` and ``state``. Bare
    it serves every channel or method, ``@hooks.publish("chat:<int:room_id>")`` those of a pattern, whose variables
    the hook gets by name. Where the request has a payload, ``data_schema=`` takes a marshmallow schema, class or
    instance, or a function ``(data) -> value``, and the hook finds in ``req.data`` what it made; for publish, rpc and
    map_publish ``result_schema=`` is the schema that dumps the ``data`` of the result. The decorated function stays
    what it was. Registration ends with the first request.

    :raises SetupError: from a decorator, if the hook does not fit its event and pattern, if there is one of the same
        shape already, or if it is async and asgiref is missing.
    """

    def __init__(self) -> None:
        def add(event: Event, function: Callable[..., Any], options: dict[str, Any]) -> None:
            self._add(event, function, **options)

        self.connect = ConnectDecorator[m.ConnectRequest[Any], m.ConnectResult](EVENTS["connect"], add)
        self.refresh = HookDecorator[m.RefreshRequest[Any], m.RefreshResult](EVENTS["refresh"], add)
        self.subscribe = SubscribeDecorator[m.SubscribeRequest[Any, Any], m.SubscribeResult](EVENTS["subscribe"], add)
        self.sub_refresh = ChannelDecorator[m.SubRefreshRequest[Any], m.SubRefreshResult](EVENTS["sub_refresh"], add)
        self.publish = PayloadDecorator[m.PublishRequest[Any, Any], m.PublishResult](EVENTS["publish"], add)
        self.rpc = PayloadDecorator[m.RPCRequest[Any, Any], m.RPCResult](EVENTS["rpc"], add)
        self.map_publish = PayloadDecorator[m.MapPublishRequest[Any, Any], m.MapPublishResult](
            EVENTS["map_publish"], add
        )
        self.map_remove = ChannelDecorator[m.MapRemoveRequest[Any], m.MapRemoveResult](EVENTS["map_remove"], add)
        self.shared_poll_refresh = ChannelDecorator[m.SharedPollRefreshRequest, m.SharedPollRefreshResult](
            EVENTS["shared_poll_refresh"], add
        )
        self.cache_empty = ChannelDecorator[m.NotifyCacheEmptyRequest, m.NotifyCacheEmptyResult | None](
            EVENTS["cache_empty"], add
        )
        self.state = HookDecorator[m.NotifyChannelStateRequest, m.NotifyChannelStateResult | None](EVENTS["state"], add)
        self._hooks: list[Hook] = []
        self._before: list[Callable[..., Any]] = []
        self._included: list[tuple[Hooks, str]] = []
        self._frozen = False
        self._check: Index | None = None  # for finding conflicts when they are made
        self._includers: weakref.WeakSet[Hooks] = weakref.WeakSet()

    def before_hook(self, function: BeforeHookT) -> BeforeHookT:
        """Run the function before the hooks registered here and in what is included, outer ones first.

        It runs for the events of a connected client, those whose request has a ``user``, after a hook has been found
        and before the payload is looked at. It returns nothing and may refuse.
        """
        self._require_open(f"before_hook {source_location(function)}")
        check_callable(function, "before_hook")
        check_before_hook(function)
        self._before.append(function)
        self._check = None
        self._keep_or_undo(self._before)
        return function

    def include(self, hooks: Hooks, *, rpc_prefix: str = "") -> None:
        """Add the hooks of a module, its RPC methods behind a prefix. The same once more is nothing.

        :raises SetupError: if two hooks would have the same shape, or hooks would include themselves.
        """
        if not isinstance(hooks, Hooks):
            raise SetupError(f"include takes Hooks, not {hooks!r}")
        if not isinstance(rpc_prefix, str) or set("<>") & set(rpc_prefix):
            raise SetupError(f"rpc_prefix must be a text without variables such as 'rooms.', not {rpc_prefix!r}")
        if (hooks, rpc_prefix) in self._included:
            return
        self._require_open("include")
        if self in hooks._family():
            raise SetupError("hooks cannot include themselves")
        self._included.append((hooks, rpc_prefix))
        self._check = None
        self._keep_or_undo(self._included)
        hooks._includers.add(self)

    def _keep_or_undo(self, added_to: list[Any]) -> None:
        """Keep the last of the list if everything still fits together, here and wherever this is included."""
        try:
            self._recheck()
        except SetupError:
            added_to.pop()
            self._check = None
            self._recheck()
            raise

    def _recheck(self) -> None:
        self._check = self._check or Index(self)
        for includer in self._includers:
            includer._check = None
            includer._recheck()

    def _family(self) -> Iterator[Hooks]:
        yield self
        for hooks, _ in self._included:
            yield from hooks._family()

    def _freeze(self) -> None:
        for hooks in self._family():
            hooks._frozen = True

    def _require_open(self, what: str) -> None:
        if self._frozen:
            raise SetupError(f"{what} comes too late: hooks are registered before the first request")

    def _add(
        self,
        event: Event,
        function: Callable[..., Any],
        pattern: str | ChannelPattern | None = None,
        data_schema: Any = None,
        result_schema: Any = None,
    ) -> None:
        where = source_location(function)
        self._require_open(f"hook {where}")
        check_callable(function, f"a hook for {event.name}")
        if pattern is not None and not isinstance(pattern, ChannelPattern):
            pattern = ChannelPattern(pattern)
        if pattern is not None and event.routed_on is None:
            raise SetupError(f"hook {where}: {event.name} has no channel or method, so no {pattern!r}")
        if (
            pattern is not None
            and event.never_called_with
            and any(event.never_called_with in part for part in pattern.parts if isinstance(part, str))
        ):
            raise SetupError(
                f"hook {where}: Centrifugo decides about channels with {event.never_called_with!r} itself "
                f"and never asks a {event.name} hook, so {pattern!r} would never be called"
            )
        check_hook(function, event, pattern)
        hook = Hook(
            event=event,
            pattern=pattern,
            function=function,
            data_schema=_schema(data_schema, True),
            result_schema=_schema(result_schema, False),
            name=qualified_name(function),
            source_location=where,
        )
        check, self._check = self._check or Index(self), None
        check._add_hook(hook, "", ())
        self._check = check
        self._hooks.append(hook)
        self._keep_or_undo(self._hooks)


def _schema(given: Any, or_function: bool) -> Any:
    if or_function and callable(given) and is_async(given):
        raise SetupError(
            f"data_schema {source_location(given)} is async, and so would validate nothing: make it a plain function"
        )
    if isinstance(given, type) and issubclass(given, Schema):
        return given()
    if given is None or isinstance(given, Schema) or (or_function and callable(given) and not isinstance(given, type)):
        return given
    wanted = "a marshmallow schema, class or instance," + (" or a function (data) -> value" if or_function else "")
    raise SetupError(f"{'data_schema' if or_function else 'result_schema'} must be {wanted} not {given!r}")
