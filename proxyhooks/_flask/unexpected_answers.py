"""Log lines for answers of the application in place of a hook's: which function gave them, and the remedy."""

from __future__ import annotations

import itertools

from flask import Flask

from .._dispatch.signatures import source_location
from .._wire.log import Trusted, logger, rate_limited
from .call_log import about_call, call_fields
from .opentelemetry import surrounds_span
from .request_state import RequestState


class UnexpectedAnswers:
    """Logs the unexpected answers of one application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._logged: set[tuple[str, str]] = set()
        """Path and status of each failure that was logged."""

    def log_failure(self, state: RequestState, status: str) -> None:
        """Log a 4xx or 5xx, once for each URL and status, unless a hook has replied or an exception was handled."""
        if state.reply is not None or state.error is not None:
            return
        if (state.path, status) in self._logged:
            return
        self._logged.add((state.path, status))
        functions, exemption = self._before_request_functions() or "those of extensions", self._exemption(state)
        text = (
            "%s: the application answered %s before a hook was called; clients then try again and again. "
            "These functions run before hooks: %s. Let them %s"
        )
        with about_call(call_fields(state)):  # Flask's context may be over
            logger.warning(text, state.path, status, functions, exemption)

    def log_replaced(self, state: RequestState, status: str) -> None:
        """Log a 2xx or 3xx that no hook has decided, for which a 500 is sent.

        :param status: empty if the application has started no response.
        """
        if state.error is not None:
            cause = f"an error handler of the application made it out of {type(state.error).__qualname__}"
        elif state.reply is not None:
            cause = "a function of the application replaced a failure"
        else:
            functions = self._before_request_functions() or "one of an extension"
            cause = f"a before_request function answered in place of a hook: {functions}"
        text = (
            "%s: the application answered %s, which Centrifugo would take for consent or follow; 500 is sent instead. "
            "Most likely %s. Let it %s"
        )
        exemption = Trusted(self._exemption(state))
        with about_call(call_fields(state)):
            kind = ("replaced", state.path)
            rate_limited.error(text, state.path, status or "nothing", Trusted(cause), exemption, kind=kind)

    def _before_request_functions(self) -> str:
        functions = itertools.chain.from_iterable(self._app.before_request_funcs.values())
        return ", ".join(source_location(function) for function in functions if not surrounds_span(function))

    def _exemption(self, state: RequestState) -> str:
        # Not by the path: other pages of the application may begin with the url_prefix, above all if it is empty.
        rules = (rule for rule in self._app.url_map.iter_rules() if "POST" in (rule.methods or ()))
        endpoint = next((rule.endpoint for rule in rules if rule.rule == state.path), f"proxyhooks_{state.event.name}")
        prefix = endpoint.removesuffix(state.event.name)
        return f"leave hooks alone, which are the requests with (request.endpoint or '').startswith({prefix!r})"
