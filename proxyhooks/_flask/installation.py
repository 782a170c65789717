"""What the extension keeps for each application, in ``app.extensions``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .middleware import Middleware

if TYPE_CHECKING:
    from flask import Flask

EXTENSION_KEY: Final = "proxyhooks"


@dataclass(slots=True)
class Installation:
    """The middleware and the :class:`proxyhooks.ProxyHooks` of one application."""

    middleware: Middleware
    hooks: dict[str, Any] = field(default_factory=dict)
    """Each ``ProxyHooks`` by its name. Any: ``extension`` imports this module."""


def installation_of(app: Flask) -> Installation:
    """The application's installation.

    :raises LookupError: if it has none.
    """
    installation: Installation | None = app.extensions.get(EXTENSION_KEY)
    if installation is None:
        raise LookupError(
            f"the application {app.import_name!r} has no hooks: it needs ProxyHooks(app) or init_app(app)"
        )
    return installation


def application_name(app: Flask) -> str:
    """The name of the application without its package, which the command line and a server may import differently."""
    return app.name.rpartition(".")[2]
