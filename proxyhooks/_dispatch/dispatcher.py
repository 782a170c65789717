"""From a request to an answer: find the hook, run what comes before it, look at the payload, call it, write.

Flask is not needed here: what stands around this (``_extension``) shares every decision.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from .. import disconnects, errors
from .. import messages as m
from .._wire.json import Malformed, TooComplex, dumps, loads
from .._wire.log import logger
from ..exceptions import HookResultError, Rejection, SetupError
from .events import EVENTS, Event
from .index import Hook, Index, Route
from .replies import Reply, as_rejection, check_client_can_read, encode_result, envelope, refusal_reply
from .signatures import source_location


class Call(NamedTuple):
    """A request, read."""

    event: Event
    message: m.Request
    has_data: bool
    """Whether it brought a payload: absent and null are the same in the message, but not to a schema."""


class Dispatcher:
    """Answers calls with the hooks of an index."""

    def __init__(self, index: Index, meta_schema: Schema | None, validation_details: bool, timeout: float) -> None:
        self.index = index
        self.meta_schema = meta_schema
        self.load_meta: Callable[[Any], Any] | None = meta_schema.load if meta_schema is not None else None
        self._validation_details = validation_details
        self._timeout = timeout
        self._warned: dict[str, set[str]] = {name: set() for name in EVENTS}

    def serves(self, event: Event) -> bool:
        """Whether any hook is there for the event; the log says it where not."""
        if self.index.serves(event):
            return True
        if self._is_new(event, ""):
            text = "Centrifugo asks for %s (%s), but no hook serves it. To serve it:\n\n%s\n"
            logger.warning(text, event.name, event.proxy, _to_paste(event, ""))
        return False

    def answer(self, call: Call) -> Reply:
        """The answer of the hook that is found.

        :raises HookResultError: if the hook returns something that is no answer.
        :raises Exception: whatever the hook raises, but for refusals.
        """
        event, message = call.event, call.message
        found = self.index.find(event, message)
        if found is None:
            return self._unmatched(event, message)
        route, variables = found
        began = time.monotonic()
        try:
            if self.load_meta is not None and isinstance(message, m.UserRequest):
                self._load_meta(event, message, self.load_meta)
            for function, call_before in route.before:
                if (returned := call_before(message)) is not None:
                    _close(returned)
                    raise HookResultError(
                        f"before_hook {source_location(function)} must return nothing, not {returned!r}"
                    )
            if route.load is not None:
                self._load_data(call, route, route.load)
            returned = route.call(message, **variables)
            return Reply(200, self._write(event, message, route, returned), "result", route.hook.name)
        except (Rejection, HTTPException) as refusal:
            meant = as_rejection(refusal)
            if meant is None:
                if (response := getattr(refusal, "response", None)) is not None and response.status_code < 400:
                    raise _mistake(route.hook, f"aborted with a response of its own, {response.status}") from None
                raise
            for note in getattr(meant, "__notes__", ()):
                logger.warning("hook %s for %s refuses: %s", route.hook.source_location, event.name, note)
            return refusal_reply(event, meant, message, route.hook.name)
        finally:
            if (took := time.monotonic() - began) > self._timeout:
                text = "hook %s for %s took %.3g s: Centrifugo has given up after %g s (PROXYHOOKS_TIMEOUT)"
                logger.warning(text, route.hook.source_location, event.name, took, self._timeout)

    def _load_meta(self, event: Event, message: m.UserRequest[Any], load: Callable[[Any], Any]) -> None:
        if message.meta is None:
            raise SetupError(
                f"{event.name} came without meta, but there is a meta_schema: set include_connection_meta in "
                f"Centrifugo's {event.proxy}, and see that clients get meta when they connect"
            )
        try:
            _set(message, "meta", load(message.meta))
        except ValidationError as error:
            logger.warning("the meta of client %r no longer fits: %s", message.client, error.messages)
            raise disconnects.ForceReconnect from None

    def _load_data(self, call: Call, route: Route, load: Callable[[Any], Any]) -> None:
        hook = route.hook
        data: Any = getattr(call.message, "data")  # noqa: B009  # only events with a payload have a data_schema
        try:
            if route.reads_json:
                if isinstance(data, bytes):
                    data = loads(data)
                value = load(data if call.has_data else {})
            else:
                value = load(data)
                if inspect.isawaitable(value):
                    _close(value)
                    raise _mistake(hook, "has a data_schema that is async, and so would validate nothing")
        except ValidationError as error:
            detail = error.messages
        except (Malformed, TooComplex) as error:
            detail = [str(error)]
        except (Rejection, HTTPException, HookResultError):
            raise
        except RecursionError:  # a schema that nests itself, as deep as the payload does
            detail = ["it nests too deeply"]
        except Exception as error:
            if route.reads_json or isinstance(error, (NameError, ImportError)):
                raise
            detail = [f"{type(error).__name__}: {error}"]  # a parser's own, such as protobuf's DecodeError
        else:
            _set(call.message, "data", value)
            return
        logger.warning("hook %s for %s: the payload is refused: %s", hook.source_location, call.event.name, detail)
        if self._validation_details:
            raise errors.BadRequest(f"bad request: {_flat(detail)}"[:_MAX_DETAIL])
        raise errors.BadRequest

    def _write(self, event: Event, message: m.Request, route: Route, result: Any) -> bytes:
        if result is None and event.default_result is not None:
            return envelope(b"result", dumps(event.default_result))
        hook = route.hook
        if not isinstance(result, event.result):
            _close(result)
            raise _mistake(hook, _wrong(result, event))
        try:
            written = encode_result(result)
            check_client_can_read(event, message, written)
            if route.dump is not None and "b64data" in written:
                raise _mistake(hook, "has a result_schema, which cannot write bytes: return what it dumps")
            if route.dump is not None and written.get("data") is not None:  # absent and null stay what they are
                written["data"] = route.dump(written["data"])
            if self.meta_schema is not None and event.result in (m.ConnectResult, m.RefreshResult):
                self._write_meta(hook, self.meta_schema, written)
            return envelope(b"result", dumps(written, type(result).__name__))
        except (TypeError, ValueError) as error:
            raise _mistake(hook, f"returned what cannot be sent: {error}") from error

    def _write_meta(self, hook: Hook, schema: Schema, written: dict[str, Any]) -> None:
        if "meta" not in written:
            if hook.event.result is m.ConnectResult:
                raise _mistake(hook, "returned no meta, but there is a meta_schema: later events need it")
            return
        meta: Any = schema.dump(written["meta"])
        written["meta"] = meta
        # What the schema itself would not read back would throw out the client at its next event.
        if invalid := schema.validate(meta):
            raise _mistake(hook, f"returned meta that the meta_schema would not load again: {invalid}")

    def _unmatched(self, event: Event, message: m.Request) -> Reply:
        assert event.unmatched is not None
        assert event.routed_on is not None
        name = getattr(message, event.routed_on)
        if self._is_new(event, name):
            near = "".join(f"; {pattern!r} does not match it" for pattern in self.index.near(event, name))
            text = "no hook for %s of %r%s. To serve it:\n\n%s\n"
            logger.warning(text, event.name, name[:255], near, _to_paste(event, name))
        return refusal_reply(event, event.unmatched(), message)

    def _is_new(self, event: Event, name: str) -> bool:
        """Whether this is to be logged: once for each name, of which clients can make up as many as they like."""
        warned, name = self._warned[event.name], name[:255]
        if name in warned or len(warned) > _MAX_WARNINGS:
            return False
        warned.add(name)
        if len(warned) <= _MAX_WARNINGS:
            return True
        logger.warning("%s: more than %d names without a hook; further ones are not logged", event.name, _MAX_WARNINGS)
        return False


_MAX_WARNINGS: Final = 1000
_MAX_DETAIL: Final = 500


def _mistake(hook: Hook, what: str) -> HookResultError:
    return HookResultError(f"hook {hook.source_location} for {hook.event.name} {what}")


def _set(message: m.Request, name: str, value: Any) -> None:
    # The one place that writes to a message: no hook has seen it yet, and a copy would cost more than the loading.
    object.__setattr__(message, name, value)


def _wrong(result: Any, event: Event) -> str:
    wanted = event.result.__name__
    if result is None:
        return f"returned None: it must return a {wanted} on every path, or raise a refusal"
    if inspect.isawaitable(result):
        return f"returned {type(result).__name__} instead of {wanted}: a decorator hides that it is async"
    if isinstance(result, Rejection) or (isinstance(result, type) and issubclass(result, Rejection)):
        return f"returned {result!r}: refusals are raised, not returned"
    return f"must return {wanted}(...), not {result!r}"


def _close(value: Any) -> None:
    if inspect.iscoroutine(value):
        value.close()


def _flat(detail: Any, path: str = "") -> str:
    if isinstance(detail, dict):
        return "; ".join(_flat(inner, f"{path}.{key}" if path else str(key)) for key, inner in detail.items())
    text = " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)
    return f"{path}: {text}" if path else text


def _to_paste(event: Event, name: str) -> str:
    # A name with < or > cannot be written as a pattern; the bare decorator serves it.
    pattern = f"({name[:255]!r})" if event.routed_on and name and not set("<>") & set(name) else ""
    return (
        f"    @hooks.{event.name}{pattern}\n"
        f"    def {event.name}(req: {event.request.__name__}) -> {event.result.__name__}:\n"
        f"        ..."
    )
