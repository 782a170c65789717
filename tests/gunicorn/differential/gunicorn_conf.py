"""gunicorn's configuration: the settings of one of the configurations, and server hooks that record what they see.

The environment variable ``DIFFERENTIAL_SETTINGS`` has the settings as JSON. These names are not gunicorn's:
``with_package`` for the settings and server hooks of the package, ``without_hooks`` for a server without hooks for
requests, ``raw_environ`` for environment variables, and ``received_at_once`` for the number of bytes that gunicorn's
parser receives at once.
"""

from __future__ import annotations

import json
import os
from typing import Any

from gunicorn.http.unreader import SocketUnreader

from tests.gunicorn.differential.recording import describe_environ, record, record_logs

_settings: dict[str, Any] = json.loads(os.environ["DIFFERENTIAL_SETTINGS"])

if _settings.pop("with_package", False):
    from proxyhooks.gunicorn import *  # noqa: F403

_hooks_of_package = {name: globals()[name] for name in ("post_worker_init", "pre_request") if name in globals()}
if "received_at_once" in _settings:
    SocketUnreader.__init__.__defaults__ = (_settings.pop("received_at_once"),)
_without_hooks = _settings.pop("without_hooks", False)
os.environ.update(_settings.pop("raw_environ", {}))
workers = 1
# More than the connections of a batch: some cases hold a thread of gthread for a while.
threads = 128
keepalive = 60
globals().update(_settings)


def post_worker_init(worker: Any) -> None:
    """Start to record the logs."""
    record_logs()
    if "post_worker_init" in _hooks_of_package:
        _hooks_of_package["post_worker_init"](worker)


def _pre_request(worker: Any, req: Any) -> None:
    """Record the request, and do what its query asks for."""
    client = req.peer_addr[0] if req.peer_addr else None
    record(
        client,
        "pre_request",
        *(req.method, req.uri, req.path, req.query, req.fragment, req.version, req.headers, req.trailers),
        *(req.scheme, req.proxy_protocol_info, req.req_number, req.should_close()),
    )
    if "pre_request" in _hooks_of_package:
        _hooks_of_package["pre_request"](worker, req)
    if "hook=close" in req.uri:
        req.force_close()
    if "hook=raise" in req.uri:
        raise RuntimeError("pre_request fails")


def _post_request(worker: Any, req: Any, environ: dict[str, Any], resp: Any) -> None:
    """Record the response."""
    client = req.peer_addr[0] if req.peer_addr else None
    response = resp and [
        *(resp.status, resp.headers, resp.sent, resp.response_length, resp.chunked, resp.headers_sent),
        *(resp.must_close, resp.upgrade),
    ]
    record(client, "post_request", req.method, req.uri, describe_environ(environ), response)
    if "hook=fail_after" in req.uri:
        raise RuntimeError("post_request fails")


if not _without_hooks:
    pre_request = _pre_request
    post_request = _post_request
