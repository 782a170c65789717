"""Payloads of requests: bound their items, load them through the ``data_schema`` of the hook, refuse invalid ones."""

from __future__ import annotations

from decimal import InvalidOperation
from typing import Any, Final

from marshmallow import Schema, ValidationError
from werkzeug.exceptions import HTTPException

from .. import errors
from .._wire.json import Malformed, TooComplex, loads
from .._wire.log import Trusted, rate_limited, text_of
from ..exceptions import HookResultError, Rejection
from .index import Hook
from .payload_errors import InvalidPayload, one_line
from .refusals import as_rejection
from .return_values import why_no_value
from .routes import Route
from .signatures import source_location
from .tracebacks import with_line_of

_MAX_DETAILS: Final = 500
"""Characters of the message with validation errors that a client gets."""
_OUT_OF_RANGE: Final = (OverflowError, InvalidOperation)
"""What marshmallow lets through for some numbers and dates, such as a TimeDelta of 400 digits."""


class PayloadLoader:
    """Loads payloads.

    :param max_items: the most JSON values in a payload that a schema loads.
    :param tells_client: whether clients get the validation errors of their payloads.
    :param logs_values: whether the log may quote payloads.
    """

    def __init__(self, max_items: int, tells_client: bool, logs_values: bool) -> None:
        self._max_items = max_items
        self._uncounted = 2 * max_items
        """Bytes that cannot have more items: each takes two at least, one of them a comma or a bracket."""
        self._tells_client = tells_client
        self._logs_values = logs_values

    def load(self, route: Route, data: Any, size: int) -> Any:
        """Return the loaded payload.

        :param route: one with a ``data_schema``.
        :param size: the bytes that the payload has at most; 0 if there is none.
        :raises errors.BadRequest: if the payload is invalid.
        :raises HookResultError: if the function returns no value.
        """
        messages: Any
        shown: Schema | str
        hook, load = route.hook, route.load
        assert load is not None
        try:
            if route.loads_json:
                if isinstance(data, bytes):
                    data = loads(data)
                if size > self._uncounted and has_more_items(data, self._max_items):  # each can cost an error
                    raise TooComplex(f"it has more than {self._max_items} items (PROXYHOOKS_MAX_PAYLOAD_ITEMS)")
                value = load(data if size else {})
            else:
                value = load(data)
            if type(value) is not dict and (problem := why_no_value(value)) is not None:
                wrong = f"hook {hook.source_location} for {hook.event.name} has {_loader(hook)} that {problem}"
                error = HookResultError(wrong)
                raise error if isinstance(hook.data_schema, Schema) else with_line_of(error, load)
            return value
        except ValidationError as error:
            messages, shown = error.messages, f"{type(error).__name__} of {_loader(hook)}"
            if isinstance(hook.data_schema, Schema):
                shown = hook.data_schema
        except (Malformed, TooComplex) as error:
            messages = shown = str(error)
        except (Rejection, HTTPException, HookResultError):
            raise
        except RecursionError:  # a schema that nests itself, with a payload that nests as deeply
            messages = shown = "it nests too deeply"
        except Exception as error:
            if route.loads_json and not isinstance(error, _OUT_OF_RANGE):
                raise
            if isinstance(error, (NameError, ImportError)) or as_rejection(error) is not None:
                raise
            name = type(error).__name__  # of a parser, such as protobuf's DecodeError
            messages, shown = f"{name}: {text_of(error)}", f"{name} of {_loader(hook)}"
        location, text = Trusted(hook.source_location), "hook %s for %s: the payload is invalid: %s"
        invalid = InvalidPayload(messages, shown, self._logs_values)
        rate_limited.warning(text, location, hook.event.name, invalid, kind=("payload", location))
        if self._tells_client:
            prefix = f"{errors.BadRequest.message}: "
            raise errors.BadRequest(prefix + one_line(messages, _MAX_DETAILS - len(prefix)))
        raise errors.BadRequest


def has_more_items(data: Any, limit: int) -> bool:
    """Whether JSON has more values than the limit: members of objects and items of arrays, at any depth."""
    containers = [data] if type(data) in (dict, list) else []
    for container in containers:  # the list grows meanwhile
        limit -= len(container)
        if limit < 0:
            return True
        for item in container.values() if type(container) is dict else container:
            kind = type(item)  # a set of both, or isinstance, takes longer
            if kind is dict or kind is list:
                containers.append(item)
    return False


def _loader(hook: Hook) -> str:
    if isinstance(hook.data_schema, Schema):
        return f"a data_schema {type(hook.data_schema).__name__}"
    assert hook.data_schema is not None
    return f"a data_schema {source_location(hook.data_schema)}"
