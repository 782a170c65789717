"""What the backend does on its own, through Centrifugo's server API. Hooks call it with ``after_reply``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cent
from flask import current_app

from proxyhooks import Disconnect


def publish(channel: str, data: Any) -> None:
    # The history is for messages: a client that was away need not know who came and went.
    request = cent.PublishRequest(channel=channel, data=data, skip_history=True)
    with _api() as api:
        if api is not None:
            api.publish(request)


def unsubscribe(user: str, channel: str) -> None:
    with _api() as api:
        if api is not None:
            api.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel))


def disconnect(user: str, why: type[Disconnect]) -> None:
    request = cent.DisconnectRequest(user=user, disconnect=cent.Disconnect(code=why.code, reason=why.reason))
    with _api() as api:
        if api is not None:
            api.disconnect(request)


def is_configured() -> bool:
    return current_app.config["CENTRIFUGO_API_URL"] is not None


@contextmanager
def _api() -> Iterator[cent.Client | None]:
    if not is_configured():
        yield None
    else:
        # A key of digits alone is a number when it comes from the environment.
        url, key = current_app.config["CENTRIFUGO_API_URL"], str(current_app.config["CENTRIFUGO_API_KEY"])
        with cent.Client(url, key, timeout=3) as client:
            yield client
