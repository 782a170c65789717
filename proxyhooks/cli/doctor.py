"""``flask centrifugo doctor``: examines a backend from where Centrifugo runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, Final, Literal

import click

from .._settings.setting import shown
from .._settings.settings import DEFAULT_URL_PREFIX
from ..centrifugo.config.static_headers import SECRET_VARIABLE
from ..centrifugo.doctor.check_result import CheckResult
from ..centrifugo.doctor.examination import examine
from ..centrifugo.doctor.http_client import parse_backend_url
from ..centrifugo.doctor.options import DoctorOptions
from ..centrifugo.go.duration import parse_duration
from ._app import hooks_option, load_backend

_COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


class _Duration(click.ParamType[float]):
    """Seconds, written in Go's notation."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(value)
        if seconds is None:
            return self.fail(
                f"{shown(value)} is not a duration: write it as Centrifugo does, '3s' or '500ms'", param, ctx
            )
        return seconds


@click.command("doctor")
@click.option("--url", required=True, metavar="URL", help="Root URL of the application, or the URL of its hooks.")
@click.option(
    "--prefix",
    help=f"The url_prefix of ProxyHooks.  [default: that of the application, or {DEFAULT_URL_PREFIX} with --secret]",
)
@click.option(
    "--secret", envvar=SECRET_VARIABLE, show_envvar=True,
    help="Secret to send; by default the first that the application accepts.",
)  # fmt: skip
@click.option("--timeout", type=_Duration(), default="3s", show_default=True, help="Timeout of Centrifugo's proxy.")
@click.option(
    "--idle", type=_Duration(), default="3s", show_default=True,
    help="Time for which a connection must survive without a request; 0s: not checked.",
)  # fmt: skip
@click.option("--ca", "ca_file", type=click.Path(exists=True, dir_okay=False), help="PEM file of the issuer to trust.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@click.pass_context
def command(
    ctx: click.Context,
    url: str,
    prefix: str | None,
    secret: str | None,
    timeout: float,
    idle: float,
    ca_file: str | None,
    output_format: Literal["text", "json"],
    hooks_name: str | None,
) -> None:
    """Examine the running server of the application.

    Run this where Centrifugo runs. It checks DNS, TLS, the secret, redirects, latency, keep-alive and headers. No
    function of the application runs, because the hooks refuse the requests by themselves. With --secret the command
    does not load the application. Ends with status 1 if there are errors.
    """
    if timeout <= 0:
        raise click.BadParameter("it must be more than 0", param_hint="--timeout")
    if secret is not None and (not secret.isascii() or not secret.isprintable() or secret != secret.strip()):
        raise click.BadParameter("it has characters that a header cannot carry", param_hint="--secret")
    insecure = False
    if secret is None and (backend := load_backend(ctx, hooks_name)) is not None:
        insecure = not backend.secrets
        secret = next(iter(backend.secrets), None)
        prefix = backend.url_prefix if prefix is None else prefix
    try:
        backend_url = parse_backend_url(url, DEFAULT_URL_PREFIX if prefix is None else prefix)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    options = DoctorOptions(
        url=backend_url, secret=secret, insecure=insecure, timeout=timeout, idle=idle, ca_file=ca_file
    )
    results = _print(examine(options)) if output_format == "text" else list(examine(options))
    if output_format == "json":
        click.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    ctx.exit(int(any(result.level == "error" for result in results)))


def _print(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Print each result as soon as it is known; return them all."""
    printed = []
    for result in results:
        click.echo(f"{click.style(f'{result.level:<7}', fg=_COLOURS[result.level])}  {result.text}")
        if result.fix:
            click.echo(f"         fix: {result.fix}")
        printed.append(result)
    return printed
