"""``flask centrifugo call``: sends one request to a hook and judges the reply."""

from __future__ import annotations

import difflib
import json
import os
import sys
import uuid
from pathlib import Path
from typing import IO, Any, Final, Literal

import click
from flask import Flask
from flask.cli import ScriptInfo

from .._dispatch.events import EVENTS
from .._flask.installation import EXTENSION_KEY, application_name
from .._settings.settings import DEFAULT_URL_PREFIX, load_secrets
from .._wire.fields import fields_of
from .._wire.json import Malformed, TooComplex, loads
from .._wire.requests import UserRequest
from ..centrifugo.config.static_headers import SECRET_VARIABLE
from ..centrifugo.judge import Verdict, judge
from ..testing.exchange import Exchange, exchange_of
from ..testing.transport import NO_PAYLOAD, request_body, to_go_json
from ._app import current_backend, current_hooks, hooks_option
from ._call_app import call_app, place_of_traceback
from ._call_server import call_server
from ._not_asked import find_decisions, why_not_asked
from ._output import hide_all, secret_values

_FIELD_OPTIONS: Final = ("transport", "protocol", "channel", "method", "key", "data", "meta", "user")
_HAVE_DEFAULTS: Final = ("transport", "protocol")
"""The field options that have a value even for an event without such a field."""
_EXAMPLES: Final = {"channel": "chat:7", "key": "k"}


class _EventName(click.ParamType[str]):
    name = "event"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in EVENTS:
            return str(value)
        near = difflib.get_close_matches(value, EVENTS, 1)
        if near:
            return self.fail(f"there is no event {value!r}: did you mean {near[0]!r}?", param, ctx)
        return self.fail(f"there is no such event: the events are {', '.join(EVENTS)}", param, ctx)


class _Json(click.ParamType[Any]):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return loads(value.encode())
        except (Malformed, TooComplex) as error:
            return self.fail(f"the value is not JSON: {error}; a string has double quotes, '\"hi\"'", param, ctx)


@click.command("call")
@click.argument("event", type=_EventName())
@click.option("--user", default=None, help="Id of the user.")
@click.option("--channel", default=None, help="Channel of a subscription, a publication or a map.")
@click.option("--method", default=None, help="Method of an rpc.")
@click.option("--key", default=None, help="Key in a map.")
@click.option("--data", type=_Json(), default=None, help="Payload, as JSON.")
@click.option("--meta", type=_Json(), default=None, help="Meta of the connection, as JSON.")
@click.option("--field", "fields", multiple=True, metavar="NAME=JSON", help="Any other field; repeatable.")
@click.option(
    "--request", "request_file", type=click.File("rb"),
    help="File with the whole request, to send as it is; '-' is standard input.",
)  # fmt: skip
@click.option("--transport", default="websocket", show_default=True, help="Transport of the client.")
@click.option(
    "--protocol", type=click.Choice(["json", "protobuf"]), default="json", show_default=True,
    help="Protocol of the client.",
)  # fmt: skip
@click.option("--binary", is_flag=True, help="Send the payload as base64, as with binary_encoding.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
    help="Header of the client that Centrifugo forwards; repeatable.",
)  # fmt: skip
@click.option(
    "--url", metavar="URL",
    help="Root URL of the application on a running server; without it, the call stays in this process.",
)  # fmt: skip
@click.option(
    "--secret",
    help=f"Secret to send.  [default: with --url ${SECRET_VARIABLE}, else the first that the application accepts]",
)
@click.option(
    "--path", metavar="PATH",
    help="Path of your own view, if no hook serves the event.  [default: <url_prefix>/<event>]",
)  # fmt: skip
@click.option(
    "--config", "config_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Configuration that decides whether Centrifugo would send the request.  [default: what `config` writes]",
)  # fmt: skip
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    event: str,
    request_file: IO[bytes] | None,
    headers: tuple[str, ...],
    url: str | None,
    secret: str | None,
    path: str | None,
    binary: bool,
    config_file: Path | None,
    output_format: Literal["text", "json"],
    hooks_name: str | None,
    **field_options: Any,
) -> None:
    """Send one request to a hook and judge the reply.

    The request goes through everything in front of the hook, such as the check of the secret and before_request
    functions. The output shows how Centrifugo reads the reply, and what the client does then. It says so if Centrifugo
    would not ask the application at all. Ends with status 0 if the reply allows the operation, else with 1. With --url
    and a secret the command does not load the application.
    """
    if request_file is None:
        request = request_body(event, _request_fields(event, field_options, binary), binary)
        body = to_go_json(request).encode()
    else:
        body = request_file.read()
        request = _parse_whole_request(ctx, body)
        field_options |= {name: request.get(name, field_options[name]) for name in _HAVE_DEFAULTS}
    if secret is None and url:
        secret = os.environ.get(SECRET_VARIABLE)
    app = None if url and secret is not None else ctx.ensure_object(ScriptInfo).load_app()
    decisions = find_decisions(None if path else app, config_file, hooks_name)
    prefix, accepted = (DEFAULT_URL_PREFIX, ()) if app is None else _prefix_and_secrets(app, hooks_name, path)
    secret = next(iter(accepted), None) if secret is None else secret
    forwarded = dict(_split_header(header) for header in headers)
    if app is not None and not path and request_file is None:
        _check_meta(app, hooks_name, event, request)
    path = path or f"{prefix}/{event}"
    if url:
        response = call_server(url, path, body, secret, forwarded)
    else:
        assert app is not None
        response = call_app(app, event, path, body, secret, forwarded)
    verdict = judge(
        event,
        response.status,
        response.body,
        protocol=str(field_options["protocol"]),
        transport=str(field_options["transport"]),
        request=request,
    )
    exchange = exchange_of(verdict, request, response)
    reason = None if decisions is None else why_not_asked(decisions, event, request)
    _print(exchange, reason, output_format, [secret, *secret_values(forwarded)])
    if output_format == "text" and (place := place_of_traceback(response, url)) is not None:
        click.echo(f"  note:    {place}")
    sys.exit(0 if exchange.allowed else 1)


def _request_fields(event: str, options: dict[str, Any], binary: bool) -> dict[str, Any]:
    """The fields of the request.

    :raises click.UsageError: if the event has no such field.
    """
    known = _field_names(event)
    values: dict[str, Any] = {"client": str(uuid.uuid4()), "encoding": "binary" if binary else "json"}
    values["user"] = options["user"] or ""
    for name in _FIELD_OPTIONS:
        value = options[name]
        if value is None:
            continue
        if name not in known and name not in _HAVE_DEFAULTS:
            raise _no_such_field(event, name, known)
        values[name] = value
    for assignment in options["fields"]:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise click.UsageError("--field must be NAME=JSON; this one has no =")
        if name not in known:
            raise _no_such_field(event, name, known)
        values[name] = _Json().convert(text, None, None)
    if options["data"] is None:
        values["data"] = NO_PAYLOAD
    for name in ("channel", "key"):
        if name in known and not values.get(name):
            raise click.UsageError(f"a request of {event} has a {name}: add --{name} {_EXAMPLES[name]}")
    return values


def _field_names(event: str) -> list[str]:
    message: Any = EVENTS[event].request
    return [field.name for field in fields_of(message)]


def _check_meta(app: Flask, hooks_name: str | None, event: str, request: dict[str, Any]) -> None:
    """Check that the request has the meta that a meta_schema needs.

    :raises click.UsageError: if it has not.
    """
    with app.app_context():
        needs_meta = current_hooks(hooks_name)._meta_schema is not None
    if needs_meta and "meta" not in request and issubclass(EVENTS[event].request, UserRequest):
        raise click.UsageError(
            "the hooks have a meta_schema, so every request after connect has the meta of the connection: add "
            f"--meta JSON to this {event}, with what the connect hook returns as meta"
        )


def _no_such_field(event: str, name: str, known: list[str]) -> click.UsageError:
    # Only a name that some request has: another text may be a secret that is in the wrong place.
    is_field = any(name in _field_names(other) for other in EVENTS)
    shown_name = repr(name) if is_field else "of that name"
    return click.UsageError(f"a request of {event} has no field {shown_name}: its fields are {', '.join(known)}")


def _parse_whole_request(ctx: click.Context, body: bytes) -> dict[str, Any]:
    """The fields of a request that is sent as it is; none if it is not a message.

    :raises click.UsageError: if an option sets a field, too.
    """
    for name in (*_FIELD_OPTIONS, "fields", "binary"):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--field" if name == "fields" else f"--{name}"
            raise click.UsageError(f"--request is the whole request: leave out {option}")
    try:
        request = loads(body)
    except (Malformed, TooComplex):
        return {}
    return request if isinstance(request, dict) else {}


def _split_header(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise click.UsageError("--header takes a name and a value, as in 'Cookie: session=...'; this one has no colon")
    return name.strip(), value.strip()


def _prefix_and_secrets(app: Flask, hooks_name: str | None, path: str | None) -> tuple[str, tuple[str, ...]]:
    """The prefix of the hooks' URLs, and the accepted secrets."""
    with app.app_context():
        if path is not None and EXTENSION_KEY not in app.extensions:
            return DEFAULT_URL_PREFIX, load_secrets(app.config, application_name(app)).values
        backend = current_backend(hooks_name)
        return backend.url_prefix, backend.secrets


def _print(
    exchange: Exchange, not_asked: str | None, output_format: Literal["text", "json"], hidden: list[str | None]
) -> None:
    if output_format == "json":
        fields = {name: getattr(exchange, name) for name in (*Verdict.__slots__, "request", "status")}
        fields["reply"] = (exchange.reply or b"").decode("utf-8", "replace")
        fields["why_not_asked"] = not_asked
        fields["warnings"] = [warning._asdict() for warning in exchange.warnings]
        text = json.dumps(fields, indent=2, default=lambda payload: payload.decode("utf-8", "replace"))
        click.echo(hide_all(text, hidden))
        return
    click.echo(hide_all(repr(exchange), hidden))
    if not_asked is not None:
        click.echo(f"  note:    Centrifugo does not ask the application about this: {not_asked}")
    if exchange.outcome == "expired":
        hook = "connect" if EVENTS[exchange.event].extends == "connection" else "subscribe"
        click.echo(f"  client:  comes back by itself, so {hook} has to refuse it, too")
    elif not exchange.allowed and EVENTS[exchange.event].opens is not None:
        click.echo(f"  client:  {'comes back by itself' if exchange.comes_back else 'does not try again by itself'}")
