"""The application at hand, for the commands."""

from __future__ import annotations

from typing import Any

import click
import flask

from .._extension import ProxyHooks
from .._hooks import Index
from .._secrets import load
from ..centrifugo.backend import Backend, Served

hooks_option = click.option("--hooks", "hooks_name", metavar="NAME", help="Which ProxyHooks, if there are several.")


def find_hooks(name: str | None = None) -> ProxyHooks:
    """The ProxyHooks of the current application.

    :raises click.UsageError: if there is none, or none of that name, or several and no name.
    """
    installed: Any = flask.current_app.extensions.get("proxyhooks")
    hooks: dict[str, ProxyHooks] = {} if installed is None else installed.hooks
    if not hooks:
        raise click.UsageError(
            f"the application {flask.current_app.import_name!r} has no hooks: it needs ProxyHooks(app), or "
            "hooks.init_app(app) in its factory"
        )
    if name is None and len(hooks) > 1:
        raise click.UsageError(f"there are several ProxyHooks: say which with --hooks, one of {', '.join(hooks)}")
    if name is not None and name not in hooks:
        raise click.UsageError(f"there is no ProxyHooks named {name!r}: there is {', '.join(hooks)}")
    return next(iter(hooks.values())) if name is None else hooks[name]


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
        secrets=secrets.values,
    )
