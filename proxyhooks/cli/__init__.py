"""``flask centrifugo ...``: start a project, see, call and check the hooks, and configure Centrifugo for them."""

from __future__ import annotations

import importlib
from typing import Any

import click
from flask.cli import AppGroup

from .._wire.application_frames import place_in_application
from ..exceptions import SetupError

# Each is a module of this package with a function `command`. It is imported when it runs, because `flask` imports this
# package for every command line.
_COMMANDS = ("call", "check", "codes", "config", "doctor", "export", "hooks", "new", "plan", "secret")


class _Commands(AppGroup):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SetupError as error:  # raised while the application loads; its message needs no traceback
            place = place_in_application(error)
            raise click.ClickException(f"the application does not start: {error}{place}") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name}", __name__).command
        return command


centrifugo = _Commands("centrifugo", help="Start a project, see, call and check the hooks, and configure Centrifugo.")
