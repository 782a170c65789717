"""``flask centrifugo doctor``: what can be found out about the backend from where Centrifugo runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import click
import flask
from flask.cli import NoAppException, ScriptInfo

from ..centrifugo.config.backend import Backend
from ..centrifugo.config.generate import SECRET_VARIABLE
from ..centrifugo.config.reader import parse_duration
from ..centrifugo.doctor.examination import examine
from ..centrifugo.doctor.http_client import PREFIX, CheckResult, DoctorOptions, backend_url
from ._app import current_backend, hooks_option

_COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        length = parse_duration(value)
        if length is None:
            return self.fail(
                f"{value!r} is no duration: write it as in Centrifugo's configuration, '3s' or '500ms'", param, ctx
            )
        return length


@click.command("doctor")
@click.option("--url", required=True, metavar="URL", help="The root of the application, or the URL of its hooks.")
@click.option("--prefix", help=f"The url_prefix of ProxyHooks.  [default: the application's, or {PREFIX}]")
@click.option(
    "--secret", envvar=SECRET_VARIABLE, show_envvar=True, help="By default the first that the application accepts."
)
@click.option("--timeout", type=_Duration(), default="3s", show_default=True, help="That of Centrifugo's proxy.")
@click.option("--idle", type=_Duration(), default="3s", show_default=True, help="How long to leave a connection alone.")
@click.option("--ca", "ca_file", type=click.Path(exists=True, dir_okay=False), help="PEM of the issuer to trust.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
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
    form: str,
    hooks_name: str | None,
) -> None:
    """Look at the hooks from where Centrifugo runs: DNS, TLS, secret, redirects, latency, keep-alive, headers.

    No application is needed where --url and --secret are given. No function of the application runs: the requests are
    ones that hooks refuse by themselves. Ends with 1 if there is an error, else with 0.
    """
    if timeout <= 0:
        raise click.BadParameter("it must be more than 0", param_hint="--timeout")
    if secret is not None and (not secret.isascii() or not secret.isprintable() or secret != secret.strip()):
        raise click.BadParameter("it has characters that no header carries", param_hint="--secret")
    insecure = False
    if secret is None and (served := _served(ctx, hooks_name)) is not None:
        insecure = not served.secrets
        secret = next(iter(served.secrets), None)
        prefix = served.url_prefix if prefix is None else prefix
    try:
        backend = backend_url(url, PREFIX if prefix is None else prefix)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    target = DoctorOptions(
        backend=backend, secret=secret, insecure=insecure, timeout=timeout, idle=idle, ca_file=ca_file
    )
    ctx.exit(_show(examine(target), form))


def _served(ctx: click.Context, hooks_name: str | None) -> Backend | None:
    info = ctx.ensure_object(ScriptInfo)
    try:
        app = info.load_app()
    except NoAppException:
        if info.app_import_path is not None or hooks_name is not None:
            raise
        return None
    with app.app_context():
        if "proxyhooks" not in flask.current_app.extensions and hooks_name is None:
            return None
        return current_backend(hooks_name)


def _show(findings: Iterable[CheckResult], form: str) -> int:
    found = []
    for finding in findings:
        found.append(finding)
        if form == "text":
            click.echo(f"{click.style(f'{finding.level:<7}', fg=_COLOURS[finding.level])}  {finding.text}")
            if finding.fix:
                click.echo(f"         -> {finding.fix}")
    if form == "json":
        shown = [{"id": f.id, "level": f.level, "text": f.text, "fix": f.fix} for f in found]
        click.echo(json.dumps(shown, indent=2))
    return int(any(finding.level == "error" for finding in found))
