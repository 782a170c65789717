"""Whether Centrifugo would ask the application about the request that ``call`` sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from flask import Flask

from ..centrifugo.decisions import Decisions
from ..centrifugo.replies.verdict import Verdict
from ..testing.configuration import decisions_maker
from ..testing.transport import payload_bytes
from ._app import current_hooks


def find_decisions(app: Flask | None, config_file: Path | None, hooks_name: str | None) -> Decisions | None:
    """What Centrifugo decides by itself; ``None`` if there is neither an application with hooks nor a configuration."""
    if app is None and config_file is None:
        return None
    try:
        if app is None or config_file is not None:
            return decisions_maker(config_file, (), None, ())()
        with app.app_context():
            return decisions_maker(None, (), current_hooks(hooks_name), ())()
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def why_not_asked(decisions: Decisions, event: str, request: dict[str, Any]) -> str | None:
    """Why Centrifugo would not send a request; ``None`` if it may."""
    channel, user, method = (str(request.get(name, "")) for name in ("channel", "user", "method"))
    verdict: Verdict | None = None
    if event == "connect":
        verdict, _ = decisions.connect([])
    elif event == "subscribe":
        try:
            verdict = decisions.subscribe(channel, user, ())
        except LookupError as error:  # it asks another proxy
            return str(error)
    elif event == "publish":
        has_data = "data" in request or "b64data" in request
        verdict = decisions.publish(channel, payload_bytes(request.get("data")) if has_data else None, user, ())
    elif event == "map_publish" or event == "map_remove":
        verdict = decisions.change_map(event, channel, str(request.get("key", "")), user, ())
    elif event == "rpc":
        verdict = decisions.rpc(method)
    return None if verdict is None else verdict.why
