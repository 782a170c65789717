"""The page: one document with the files of ``static/``, which is allowed to ask this server and Centrifugo only."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

blueprint = Blueprint("page", __name__, static_folder="static")

SCRIPT = "page.js"
NOT_BUILT = f"static/{SCRIPT} is missing. To build it, run `npm ci && npm run build` in the folder web, and reload.\n"


@blueprint.get("/")
def show() -> ResponseReturnValue:
    if not Path(str(blueprint.static_folder), SCRIPT).exists():
        return Response(NOT_BUILT, 503, content_type="text/plain; charset=utf-8")
    return render_template("page.html", websocket_url=websocket_url())


@blueprint.after_request
def protect(response: Response) -> Response:
    centrifugo = urlsplit(websocket_url())
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
        f"connect-src 'self' {centrifugo.scheme}://{centrifugo.netloc}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def websocket_url() -> str:
    """Of Centrifugo, for the page. By default it is on the page's host: then the browser sends it the cookie too."""
    configured: str | None = current_app.config["CENTRIFUGO_WEBSOCKET_URL"]
    if configured is not None:
        return configured
    # The client chooses this header, and the policy contains it.
    host = re.fullmatch(r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", request.host.lower())
    scheme = "wss" if request.is_secure else "ws"
    return f"{scheme}://{host[1] if host else 'localhost'}:8000/connection/websocket"
