"""Tells what became of a call: to the observers of this package, and to the receivers of ``hook_finished``."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flask import Flask

from .._dispatch.events import Event
from .._dispatch.replies import Reply
from .._dispatch.signatures import copy_metadata, source_location
from .._wire.log import Trusted, rate_limited
from ..signals import FinishedCall, hook_finished
from .async_functions import async_to_sync_of
from .call_log import about_call, about_event, call_fields
from .error_handling import ends_process
from .load_shedding import waiting_time
from .request_state import RequestState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

observers: Final[list[Callable[[Flask, FinishedCall], None]]] = []
"""Called for each call of all applications. To find a receiver, blinker takes longer than these functions run."""


def finished_call(
    event: Event,
    environ: WSGIEnvironment,
    started: float,
    state: RequestState | None,
    sent: Reply,
    error: BaseException | None,
) -> FinishedCall:
    """Describe a call whose response is about to leave.

    :param started: when the request came, by ``time.monotonic``.
    :param state: None if the request was refused unread.
    :param sent: what the server gets; its status counts if it is no reply of the dispatcher.
    :param error: the exception that goes to the server.
    """
    duration = time.monotonic() - started
    waited = waiting_time(environ)
    queue_time = None if waited is None or waited == math.inf else max(0.0, waited - duration)
    message = hook = pattern = None
    if state is not None:
        message, hook, pattern = state.message, state.hook, state.pattern
        if error is None and sent.outcome == "failed":
            error = state.error
    return FinishedCall(
        event.name, hook, pattern, sent.outcome, sent.code, sent.status, duration, queue_time, message, error
    )


def tell(app: Flask, event: Event, state: RequestState | None, call: FinishedCall) -> None:
    """Call every observer and every receiver. An exception of one is logged and changes nothing."""
    for observe in observers:
        try:
            observe(app, call)
        except Exception as raised:  # counting may need room in a file system
            _log_failure("%s, an observer of calls, failed", observe, event, state, raised)
    if not hook_finished.receivers or hook_finished.is_muted:
        return
    for receiver in hook_finished.receivers_for(app):
        try:
            returned = receiver(app, call=call)
            if inspect.iscoroutine(returned):  # to ask the receiver before takes longer than most receivers
                async_to_sync_of(app)(copy_metadata(receiver, lambda returned=returned: returned))()
        except BaseException as raised:
            if ends_process(raised):
                raise
            _log_failure("%s, a receiver of hook_finished, failed", receiver, event, state, raised)


def _log_failure(
    text: str, function: Callable[..., object], event: Event, state: RequestState | None, raised: BaseException
) -> None:
    location = Trusted(source_location(function))
    with about_event(event) if state is None else about_call(call_fields(state)):
        rate_limited.error(text, location, kind=(text, location), exc_info=raised)
