"""The endpoint and the view function of each hook: what Flask's extensions tell views apart by.

All hooks of an event have one URL, and one URL rule in Flask's map. A request that a hook serves has a copy of the rule
with the hook's own endpoint.
"""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from werkzeug.routing import Rule

from .._dispatch.index import Hook
from .._dispatch.signatures import copy_metadata

_NOT_WORD: Final = re.compile(r"\W+")  # a dot would make the name before it that of a blueprint


class HookView:
    """The endpoint of a hook, and the view function that the application has for it."""

    __slots__ = ("_rules", "endpoint", "function")

    def __init__(self, endpoint: str, function: Callable[..., Any]) -> None:
        self.endpoint = endpoint
        self.function = function
        self._rules: dict[int, Rule] = {}

    def rule(self, event_rule: Rule) -> Rule:
        """The URL rule of a request that the hook serves.

        :param event_rule: the rule of the event, which Flask has matched.
        """
        rule = self._rules.get(id(event_rule))
        if rule is None:
            rule = copy.copy(event_rule)
            rule.endpoint = self.endpoint
            rule = self._rules.setdefault(id(event_rule), rule)  # all threads get the same one
        return rule


class HookViews:
    """The views of the hooks of one ProxyHooks in one application.

    :param name: of the ``ProxyHooks``, with which every endpoint begins.
    """

    def __init__(self, app: Flask, name: str) -> None:
        self._app = app
        self._name = name
        self._by_function: dict[tuple[str, object], HookView] = {}
        self._numbers: dict[str, int] = {}
        """The last number that was given to each endpoint."""
        self.by_hook: dict[Hook, HookView] = {}
        app.url_build_error_handlers.append(self._build_url)

    def event_endpoint(self, event: str) -> str:
        """The endpoint of the event's URL, and of requests that no hook serves."""
        return f"{self._name}_{event}"

    def add(self, hook: Hook) -> None:
        """Give the hook a view: that of its function, if it serves the same event with another pattern already."""
        # Each access to a bound method creates another object, which is equal.
        function = hook.function if isinstance(hook.function, types.MethodType) else id(hook.function)
        key = hook.event.name, function
        if (view := self._by_function.get(key)) is None:
            event_endpoint = self.event_endpoint(hook.event.name)
            endpoint = self._free_endpoint(f"{event_endpoint}_{_NOT_WORD.sub('_', hook.name).strip('_')}")
            view = HookView(endpoint, _view_function(self._app, event_endpoint, hook.function))
            self._by_function[key] = view
            self._app.view_functions[endpoint] = view.function
        self.by_hook[hook] = view

    def _free_endpoint(self, endpoint: str) -> str:
        """The endpoint, with a number if another function of the same name has it: a lambda, for example."""
        numbered, number = endpoint, self._numbers.get(endpoint, 1)
        while numbered in self._app.view_functions:
            number += 1
            numbered = f"{endpoint}_{number}"
        self._numbers[endpoint] = number
        return numbered

    def _build_url(self, error: Exception, endpoint: str, values: dict[str, Any]) -> str:
        """For ``url_for``: the endpoints of hooks are in no rule of Flask's map."""
        for (event, _), view in self._by_function.items():
            if view.endpoint == endpoint:
                return self._app.url_for(self.event_endpoint(event), **values)
        raise error


def _view_function(app: Flask, event_endpoint: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The view function of a hook. Its name and attributes are those of the hook's function."""

    def view(**values: Any) -> Any:
        # By way of the event's view, which an extension may have wrapped.
        return app.ensure_sync(app.view_functions[event_endpoint])(**values)

    return copy_metadata(function, view)
