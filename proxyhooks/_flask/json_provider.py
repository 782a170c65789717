"""Values that are not JSON, as the application's JSON provider writes them: ``app.json``."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from .._wire.json import JsonDefault, loads


def json_default_of(app: Flask) -> JsonDefault:
    """The function that converts a date, a Decimal and the like to what ``app.json`` writes."""

    def json_default(value: Any) -> Any:
        provider = app.json  # read here, as an application may set it later
        if isinstance(provider, DefaultJSONProvider) and type(provider).dumps is DefaultJSONProvider.dumps:
            return provider.default(value)
        return loads(provider.dumps(value).encode())  # of a provider that writes JSON in its own way

    return json_default
