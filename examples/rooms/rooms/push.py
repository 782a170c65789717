"""What the backend says on its own, through Centrifugo's server API; for ``after_reply``, which logs failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cent import Client, PublishRequest, UnsubscribeRequest
from flask import current_app


def publish(channel: str, data: Any) -> None:
    with _api() as api:
        if api is not None:
            api.publish(PublishRequest(channel=channel, data=data))


def unsubscribe(user: str, channel: str) -> None:
    with _api() as api:
        if api is not None:
            api.unsubscribe(UnsubscribeRequest(user=user, channel=channel))


@contextmanager
def _api() -> Iterator[Client | None]:
    url, key = current_app.config["CENTRIFUGO_API_URL"], current_app.config["CENTRIFUGO_API_KEY"]
    if url is None:
        yield None
    else:
        with Client(url, key, timeout=3) as client:
            yield client
