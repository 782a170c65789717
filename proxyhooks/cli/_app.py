"""The application at hand, for the commands."""

from __future__ import annotations

from typing import Any

import click
import flask

from .._extension import ProxyHooks
from .._extension import find_hooks as of_app
from .._hooks import Index
from .._overload import timeout_of
from .._secrets import load
from ..centrifugo.backend import Backend, Served

hooks_option = click.option("--hooks", "hooks_name", metavar="NAME", help="Which ProxyHooks, if there are several.")


def find_hooks(name: str | None = None) -> ProxyHooks:
    """The ProxyHooks of the current application.

    :raises click.UsageError: if there is none, or none of that name, or several and no name.
    """
    app: Any = flask.current_app
    try:
        return of_app(app, name)
    except LookupError as error:
        raise click.UsageError(
            f"{error.args[0]} (--hooks NAME)" if "several" in error.args[0] else error.args[0]
        ) from None


def find_backend(name: str | None = None) -> Backend:
    """What these hooks serve.

    :raises click.UsageError: as :func:`find_hooks`.
    """
    hooks = find_hooks(name)
    secrets = load(flask.current_app.config, hooks._secrets)
    return Backend(
        name=hooks.name,
        url_prefix=hooks.url_prefix,
        served=tuple(
            Served(event=event, pattern=pattern, where=route.hook.where)
            for event, pattern, route in Index(hooks).routes()
        ),
        http_headers=hooks.http_headers,
        emulated_headers=hooks.emulated_headers,
        meta=hooks._meta_schema is not None,
        timeout=timeout_of(flask.current_app.config),
        secrets=secrets.values,
    )
