"""The hooks of the current application, for the commands."""

from __future__ import annotations

from typing import Any

import click
import flask
from flask.cli import NoAppException, ScriptInfo

from .._flask.extension import AmbiguousHooks, ProxyHooks, hooks_of
from .._flask.installation import EXTENSION_KEY, application_name
from .._settings.settings import Settings, read_settings
from ..centrifugo.config.backend import Backend, served_hooks

hooks_option = click.option(
    "--hooks", "hooks_name", metavar="NAME", help="Name of the ProxyHooks, if the application has several."
)


def current_hooks(name: str | None = None) -> ProxyHooks:
    """Return the ProxyHooks of the current application.

    :raises click.UsageError: if there is none, none of that name, or several and no name.
    """
    app: Any = flask.current_app
    try:
        return hooks_of(app, name)
    except AmbiguousHooks as error:
        raise click.UsageError(f"{error} (--hooks NAME)") from None
    except LookupError as error:
        raise click.UsageError(str(error)) from None


def current_settings(hooks: ProxyHooks) -> Settings:
    """Return the settings of the current application, with which these hooks run."""
    app: Any = flask.current_app
    return read_settings(app.config, application_name(app), hooks._secrets)


def current_backend(name: str | None = None) -> Backend:
    """Return the facts about these hooks that a configuration of Centrifugo must match.

    :raises click.UsageError: as :func:`current_hooks`.
    """
    hooks = current_hooks(name)
    settings = current_settings(hooks)
    return Backend(
        name=hooks.name,
        url_prefix=hooks.url_prefix,
        served=served_hooks(hooks.index),
        publications=tuple(publication.pattern for publication in hooks.declared_publications),
        http_headers=hooks.http_headers,
        emulated_headers=hooks.emulated_headers,
        meta=hooks._meta_schema is not None,
        timeout=settings.timeout,
        secrets=settings.secrets.values,
    )


def load_backend(ctx: click.Context, hooks_name: str | None) -> Backend | None:
    """Load the application, if there is one with hooks.

    :raises NoAppException: if the application that is named cannot be loaded.
    """
    info = ctx.ensure_object(ScriptInfo)
    try:
        app = info.load_app()
    except NoAppException:
        if info.app_import_path is not None or hooks_name is not None:
            raise
        return None
    if EXTENSION_KEY not in app.extensions and hooks_name is None:
        return None
    with app.app_context():
        return current_backend(hooks_name)
