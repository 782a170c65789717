"""From a request to a reply: find the hook; run its before_hooks, load the payload, call the hook, encode the result.

This module knows no Flask application. ``_flask`` surrounds it with Flask's context and takes no decision of its own.
"""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Callable
from typing import Any, Final

from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from .. import disconnects
from .. import messages as m
from .._wire.json import JsonDefault, dumps
from .._wire.log import Trusted, left_out_suffix, logger, rate_limited
from ..exceptions import HookResultError, Rejection, SetupError
from .decorated import PendingPayload, pending_payload, set_field
from .dumping import Dumper
from .events import EVENTS, Event
from .hook_template import hook_template
from .index import Hook, Index
from .payload_errors import InvalidPayload
from .payloads import PayloadLoader
from .refusals import as_rejection, log_other_exceptions
from .replies import Reply, check_client_can_read, encode_result, envelope, refusal_reply
from .return_values import close_coroutine
from .routes import EnsureSync, Match, Route
from .signatures import source_location
from .tracebacks import with_line_of
from .value_kinds import value_or_class

_MAX_LOGGED_NAMES: Final = 1000
"""Channels or methods without a hook that are logged for each event; clients can invent as many as they like."""


class Dispatcher:
    """Answers requests with the hooks of an index.

    :param payloads: loads the payloads of requests.
    :param logs_values: whether the log may quote the meta of requests that does not fit.
    :param timeout: seconds after which Centrifugo gives up. The log names hooks that take longer.
    :param json_default: converts what a result has that is not JSON, such as a date.
    """

    def __init__(
        self,
        index: Index,
        ensure_sync: EnsureSync,
        meta_schema: Schema | None,
        payloads: PayloadLoader,
        timeout: float,
        json_default: JsonDefault | None = None,
        logs_values: bool = False,
    ) -> None:
        self.index = index
        self.routes = {registration: Route.of(registration, ensure_sync) for registration in index.registrations()}
        # Most of the matches of a busy application are these, so they are not created for each request.
        self._without_variables = {registration: Match(route, {}) for registration, route in self.routes.items()}
        self.meta_schema = meta_schema
        self.load_meta: Callable[[Any], Any] | None = (
            None if meta_schema is None else lambda meta: meta_schema.load(meta)
        )
        self._dump_meta = Dumper(meta_schema, "meta") if meta_schema is not None else None
        self._payloads = payloads
        self._logs_values = logs_values
        self._timeout = timeout
        self._json_default = json_default
        self._logged_names: dict[str, set[str]] = {name: set() for name in EVENTS}

    def serves(self, event: Event) -> bool:
        """Whether the event has hooks. If not, the log says so once."""
        if self.index.serves(event):
            return True
        if "" not in self._logged_names[event.name]:
            self._logged_names[event.name].add("")
            text = "Centrifugo sends %s requests (%s), but no hook serves them\nTo serve them:\n\n%s\n"
            logger.warning(text, event.name, event.proxy, hook_template(event, "", self.index))
        return False

    def find(self, event: Event, message: m.Request) -> Match | None:
        """Find the hook that serves the request. None: no hook does.

        :raises KeyError: if no hook serves the event.
        """
        found = self.index.find(event, message)
        if found is None:
            return None
        registration, variables = found
        return Match(self.routes[registration], variables) if variables else self._without_variables[registration]

    def run(self, event: Event, message: m.Request, payload_size: int, match: Match | None) -> Reply:
        """Have the request answered by the hook that was found for it; refuse it if there is none.

        :param payload_size: the bytes that the payload has at most; 0 if there is none.
        :raises HookResultError: if the hook returns no result of its event that can be sent, or a before_hook anything.
        :raises Exception: if the hook raises one that is no refusal.
        """
        if match is None:
            return self._refuse_unmatched(event, message)
        route = match.route
        started = time.monotonic()
        try:
            if self.load_meta is not None and isinstance(message, m.UserRequest):
                self._load_meta(event, message, self.load_meta)
            for function, call_before_hook in route.before_hooks:
                if (returned := call_before_hook(message)) is not None:
                    close_coroutine(returned)
                    problem = f"must return None, not {value_or_class(returned)}"
                    raise with_line_of(HookResultError(f"before_hook {source_location(function)} {problem}"), function)
            if route.load is None:
                returned = route.call_hook(message, **match.variables)
            elif route.hook.decorated is not None:
                returned = self._call_decorated(message, payload_size, match)
            else:
                set_field(message, "data", self._payloads.load(route, _data_of(message), payload_size))
                returned = route.call_hook(message, **match.variables)
            return Reply(200, self._encode(event, message, route, returned), "result", route.hook.name)
        except (Rejection, HTTPException, BaseExceptionGroup) as raised:
            rejection = as_rejection(raised)
            if rejection is None:
                if (response := getattr(raised, "response", None)) is not None and response.status_code < 400:
                    problem = (
                        f"aborted with a response of status {response.status}: a refusal has a status of 400 to 499"
                    )
                    raise _hook_error(route.hook, problem) from None
                raise
            log_other_exceptions(raised, f"hook {route.hook.source_location} for {event.name}")
            for note in getattr(rejection, "__notes__", ()):  # such as the expire_at that has passed
                location = Trusted(route.hook.source_location)
                rate_limited.warning("hook %s for %s refuses: %s", location, event.name, note, kind=("note", location))
            return refusal_reply(event, rejection, message, route.hook.name)
        finally:
            if (seconds := time.monotonic() - started) > self._timeout:
                text = "hook %s for %s took %.3g s: Centrifugo has given up after %g s (PROXYHOOKS_TIMEOUT)"
                location = Trusted(route.hook.source_location)
                rate_limited.warning(text, location, event.name, seconds, self._timeout, kind=("slow", location))

    def _load_meta(self, event: Event, message: m.UserRequest[Any], load: Callable[[Any], Any]) -> None:
        if message.meta is None:
            raise SetupError(
                f"this {event.name} request has no meta, which the meta_schema needs: set include_connection_meta in "
                f"Centrifugo's {event.proxy}, and return meta from the connect hook or give the JWT a claim meta"
            )
        try:
            set_field(message, "meta", load(message.meta))
        except ValidationError as error:
            assert self.meta_schema is not None
            invalid = InvalidPayload(error.messages, self.meta_schema, self._logs_values)
            rate_limited.warning("the meta of client %r does not fit the meta_schema: %s", message.client, invalid)
            raise disconnects.ForceReconnect from None

    def _call_decorated(self, message: m.Request, payload_size: int, match: Match) -> Any:
        """Call the hook through its decorators. The payload is loaded when they have all called the next one."""
        route = match.route

        def load(data: Any) -> Any:
            return self._payloads.load(route, data, payload_size or int(data is not None))

        payload = PendingPayload(message, load)
        token = pending_payload.set(payload)
        try:
            returned = route.call_hook(message, **match.variables)
        finally:
            pending_payload.reset(token)
        if route.hook.publish_loaded and isinstance(returned, route.hook.event.result) and _data_of(returned) is None:
            payload.load_into(message)  # if a decorator has answered in place of the hook
        return returned

    def _encode(self, event: Event, message: m.Request, route: Route, result: Any) -> bytes:
        if result is None and event.default_result is not None:
            return envelope(b"result", dumps(event.default_result))
        hook = route.hook
        if not isinstance(result, event.result):
            close_coroutine(result)
            raise _hook_error(hook, _describe_wrong_result(result, event))
        try:
            if hook.publish_loaded:
                result = _with_loaded_data(result, message, route)
            written = encode_result(result)
            check_client_can_read(event, message, written)
            if route.dump is not None and "b64data" in written:
                raise _hook_error(hook, "returned bytes as data, which its result_schema cannot dump")
            if route.dump is not None and written.get("data") is not None:  # absent and null are not dumped
                written["data"] = route.dump(written["data"])
            if self._dump_meta is not None and event.result in (m.ConnectResult, m.RefreshResult):
                self._write_meta(hook, self._dump_meta, written)
            return envelope(b"result", dumps(written, type(result).__name__, self._json_default))
        except (TypeError, ValueError) as error:
            raise _hook_error(hook, f"returned a result that cannot be sent: {error}") from error

    def _write_meta(self, hook: Hook, dump: Dumper, written: dict[str, Any]) -> None:
        if "meta" not in written:
            if hook.event.result is m.ConnectResult:
                raise _hook_error(hook, "returned no meta, which the meta_schema needs in later requests")
            return
        meta = written["meta"] = dump(written["meta"])
        # If the schema did not load its own output, the client's next request would disconnect it.
        if invalid := dump.schema.validate(meta):
            raise _hook_error(hook, f"returned meta that the meta_schema dumps but does not load: {invalid}")

    def _refuse_unmatched(self, event: Event, message: m.Request) -> Reply:
        assert event.unmatched_error is not None
        assert event.routed_on is not None
        name = getattr(message, event.routed_on)
        self._log_unmatched(event, name)
        return refusal_reply(event, event.unmatched_error(), message)

    def _log_unmatched(self, event: Event, name: str) -> None:
        """Log a channel or method without a hook: once, until the log has too many."""
        logged, shown = self._logged_names[event.name], name[:255]
        if shown in logged or len(logged) > _MAX_LOGGED_NAMES:
            return
        # A name that is left out now is logged when it comes again.
        if (left_out := rate_limited.limit.count(("unmatched", event.name), "unmatched")) is None:
            return
        logged.add(shown)
        if len(logged) > _MAX_LOGGED_NAMES:
            text = "%s: more than %d names have no hook; further ones are not logged"
            logger.warning(text, event.name, _MAX_LOGGED_NAMES)
            return
        similar = "".join(f"; {text!r} does not match it" for text in self.index.similar_patterns(event, name))
        text = "no hook for %s of %r%s%s\nTo serve it:\n\n%s\n"
        logger.warning(
            text, event.name, shown, similar, left_out_suffix(left_out), hook_template(event, name, self.index)
        )


def _data_of(message: m.Request | m.Result) -> Any:
    """The payload of a request or result whose event has one: only such an event has a data_schema."""
    with_payload: Any = message
    return with_payload.data


def _with_loaded_data(result: Any, message: m.Request, route: Route) -> Any:
    """The result, with the loaded payload if it has no data. Else Centrifugo would publish what the client sent."""
    if result.data is not None:
        return result
    data = _data_of(message)
    if route.dump_loaded is not None:
        data = route.dump_loaded(data)
    return dataclasses.replace(result, data=m.NULL if data is None else data)


def _hook_error(hook: Hook, problem: str) -> HookResultError:
    return with_line_of(HookResultError(f"hook {hook.source_location} for {hook.event.name} {problem}"), hook.function)


def _describe_wrong_result(result: Any, event: Event) -> str:
    expected = event.result.__name__
    if result is None:
        return f"returned None: it must return {expected} on every path, or raise a refusal"
    if inspect.isawaitable(result):
        return f"returned {type(result).__name__} instead of {expected}: a decorator hides that it is async"
    if isinstance(result, Rejection) or (isinstance(result, type) and issubclass(result, Rejection)):
        return f"returned {value_or_class(result)}: refusals are raised, not returned"
    return f"must return {expected}(...), not {value_or_class(result)}"
