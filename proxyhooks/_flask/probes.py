"""The URLs for probes of liveness and readiness. They need no secret and tell nothing but their status.

No function of the application runs: a login or a check of the host, meant for people, would make probes fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from .._settings.settings import LIVENESS_PATH, READINESS_PATH, Settings
from .._wire import probes
from .._wire.environ_keys import CLOSE_CONNECTION
from ..exceptions import SetupError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Probes:
    """The liveness and readiness probes of an application.

    :raises SetupError: if both have the same path.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._readiness_path = settings.readiness_path
        self.paths = {path for path in (settings.liveness_path, settings.readiness_path) if path is not None}
        if settings.liveness_path == settings.readiness_path is not None:
            raise SetupError(
                f"{LIVENESS_PATH.key} and {READINESS_PATH.key} are both {settings.liveness_path!r}: change one of them"
            )
        probes.paths.update(self.paths)

    def check_hook_urls(self, hook_urls: Iterable[str]) -> None:
        """Check that no hook has the URL of a probe.

        :raises SetupError: if one has.
        """
        urls = set(hook_urls)
        for path in self.paths:
            if path.rstrip("/") not in urls:  # the middleware answers a hook's URL with a slash after it, too
                continue
            key = (READINESS_PATH if path == self._readiness_path else LIVENESS_PATH).key
            raise SetupError(f"{key} is {path!r}, which is the URL of a hook: choose another path")

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a request to the path of a probe; None: the application answers it."""
        path: str = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in probes.METHODS:
            return None
        # A view of the application wins. One with variables, such as a page for all paths, does not: it is no probe.
        # Rules may be added until Flask has its first request, so nothing is cached.
        if any(rule.rule.rstrip("/") == path.rstrip("/") for rule in self._app.url_map.iter_rules()):
            probes.paths.discard(path)
            return None
        status = "200 OK"
        if path == self._readiness_path and probes.is_draining():
            status = "503 Service Unavailable"
            environ[CLOSE_CONNECTION] = True  # the next probe reaches another worker, if there is one
        start_response(status, [("Content-Length", "0"), ("Cache-Control", "no-store")])
        return []
