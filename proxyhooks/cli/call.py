"""``flask centrifugo call``: one event, and what Centrifugo makes of the answer."""

from __future__ import annotations

import difflib
import json
import logging
import os
import sys
import traceback
import urllib.error
import urllib.request
import uuid
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Literal

import click
from flask import Flask
from flask.cli import ScriptInfo

from .._dispatch.events import EVENTS
from .._settings.secrets import SECRET_HEADER, load_secrets
from .._wire.fields import fields_of
from .._wire.json import Malformed, TooComplex, loads
from ..centrifugo.config.generate import SECRET_VARIABLE
from ..centrifugo.doctor.http_client import PREFIX
from ..centrifugo.judge import judge
from ..centrifugo.replies.verdict import Verdict
from ..testing.exchange import Exchange, exchange_of
from ..testing.transport import ABSENT, AppResponse, AppTransport, body_of, compact
from ._app import current_backend, hooks_option


class _EventName(click.ParamType[str]):
    name = "event"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in EVENTS:
            return str(value)
        near = difflib.get_close_matches(value, EVENTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(EVENTS)}"
        return self.fail(f"there is no event {value!r}: {hint}", param, ctx)


class _Json(click.ParamType[Any]):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return loads(value.encode())
        except (Malformed, TooComplex) as error:
            return self.fail(f"{value!r} is no JSON: {error}; a text needs quotes of its own: '\"hi\"'", param, ctx)


@click.command("call")
@click.argument("event", type=_EventName())
@click.option("--user", default=None, help="The user's id.")
@click.option("--channel", default=None)
@click.option("--method", default=None, help="Of an rpc.")
@click.option("--key", default=None, help="Of a map.")
@click.option("--data", type=_Json(), default=None, help="The payload, as JSON.")
@click.option("--meta", type=_Json(), default=None, help="The connection's meta, as JSON.")
@click.option("--field", "more", multiple=True, metavar="NAME=JSON", help="Any other field of the request.")
@click.option("--request", "raw", type=click.File("rb"), help="Send this file's bytes ('-': standard input) instead.")
@click.option("--transport", default="websocket", show_default=True)
@click.option("--protocol", type=click.Choice(["json", "protobuf"]), default="json", show_default=True)
@click.option("--binary", is_flag=True, help="Send the payload as binary_encoding does.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Of the client, forwarded.")
@click.option("--url", metavar="URL", help="Ask a running server there: the root of the application.")
@click.option("--secret", help=f"By default the first that is accepted; with --url ${SECRET_VARIABLE} before it.")
@click.option("--path", metavar="PATH", help="Of a view of your own.  [default: <url_prefix>/<event>]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@hooks_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    event: str,
    raw: IO[bytes] | None,
    headers: tuple[str, ...],
    url: str | None,
    secret: str | None,
    path: str | None,
    binary: bool,
    form: Literal["text", "json"],
    hooks_name: str | None,
    **given: Any,
) -> None:
    """Send one event to the application, and show what Centrifugo makes of the answer.

    The whole way is gone: secret, before_request, hook, and back. Ends with 0 if the answer allows, else with 1. With
    --url and a secret no application is needed here.
    """
    if raw is None:
        request = body_of(event, _fields(event, given, binary), binary)
        body = compact(request).encode()
    else:
        body = raw.read()
        request = _read(ctx, body)
        given |= {name: request.get(name, given[name]) for name in ("transport", "protocol")}
    if secret is None and url:
        secret = os.environ.get(SECRET_VARIABLE)
    app = None if url and secret is not None else ctx.ensure_object(ScriptInfo).load_app()
    prefix, accepted = (PREFIX, ()) if app is None else _known(app, hooks_name, path)
    secret = next(iter(accepted), None) if secret is None else secret
    forwarded = dict(_split(header) for header in headers)
    path = path or f"{prefix}/{event}"
    if url:
        reply = _over_http(url.rstrip("/") + path, body, secret, forwarded)
    else:
        assert app is not None
        reply = _in_process(app, event, path, body, secret, forwarded)
    verdict = judge(
        event,
        reply.status,
        reply.body,
        protocol=str(given["protocol"]),
        transport=str(given["transport"]),
        request=request,
    )
    step = exchange_of(verdict, request, reply)
    _show(step, form)
    sys.exit(0 if step.allowed else 1)


def _fields(event: str, given: dict[str, Any], binary: bool) -> dict[str, Any]:
    request: Any = EVENTS[event].request
    known = {field.name: field for field in fields_of(request)}
    fields: dict[str, Any] = {"client": str(uuid.uuid4()), "encoding": "binary" if binary else "json"}
    fields["user"] = given["user"] or ""
    for name in ("transport", "protocol", "channel", "method", "key", "data", "meta", "user"):
        value = given[name]
        if value is None:
            continue
        if name not in known and name not in ("transport", "protocol"):
            raise click.UsageError(f"a request of {event} has no {name}; it has {', '.join(known)}")
        fields[name] = value
    for text in given["more"]:
        name, _, value = text.partition("=")
        if name not in known:
            raise click.UsageError(f"a request of {event} has no {name!r}; it has {', '.join(known)}")
        fields[name] = _Json().convert(value, None, None)
    if given["data"] is None:
        fields["data"] = ABSENT
    return fields


def _read(ctx: click.Context, body: bytes) -> dict[str, Any]:
    """What is in a request that is sent as it is, if it can be read."""
    from_line = click.core.ParameterSource.COMMANDLINE
    fields = ("user", "channel", "method", "key", "data", "meta", "more", "transport", "protocol", "binary")
    for name in fields:
        if ctx.get_parameter_source(name) is from_line:
            raise click.UsageError(f"--request is the whole request: leave out --{'field' if name == 'more' else name}")
    try:
        request = loads(body)
    except (Malformed, TooComplex):
        return {}
    return request if isinstance(request, dict) else {}


def _split(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise click.UsageError(f"{header!r} is no header: write 'Cookie: session=...'")
    return name.strip(), value.strip()


def _known(app: Flask, hooks_name: str | None, path: str | None) -> tuple[str, tuple[str, ...]]:
    """The prefix of the URLs, and the secrets that are accepted."""
    with app.app_context():
        if path is not None and "proxyhooks" not in app.extensions:
            return PREFIX, load_secrets(app.config).values
        backend = current_backend(hooks_name)
        return backend.url_prefix, backend.secrets


def _in_process(
    app: Flask, event: str, path: str, body: bytes, secret: str | None, headers: dict[str, str]
) -> AppResponse:
    logging.getLogger("proxyhooks").addHandler(logging.StreamHandler())
    reply = AppTransport(app, {event: path}, secret, headers).send(event, body, 0)
    if reply.error is not None and app.testing:  # else Flask has logged it
        traceback.print_exception(reply.error)
    return reply


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _over_http(url: str, body: bytes, secret: str | None, headers: dict[str, str]) -> AppResponse:
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--url must be the root of the application, such as http://127.0.0.1:8070, not {url!r}")
    sent = {"Content-Type": "application/json"} | headers | ({SECRET_HEADER: secret} if secret else {})
    request = urllib.request.Request(url, body, sent, method="POST")  # noqa: S310  # checked above
    opener = urllib.request.build_opener(_Unfollowed, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            return AppResponse(response.status, response.read())
    except urllib.error.HTTPError as error:
        return AppResponse(error.code, error.read(), error.headers.get("Location"))
    except OSError as error:
        raise click.ClickException(f"{url} cannot be asked: {getattr(error, 'reason', error)}") from None
    except (HTTPException, ValueError) as error:  # no HTTP; no URL; no header
        raise click.ClickException(f"{url} cannot be asked: {type(error).__name__}: {str(error)[:80]!r}") from None


def _show(step: Exchange, form: Literal["text", "json"]) -> None:
    if form == "json":
        shown = {name: getattr(step, name) for name in (*Verdict.__slots__, "request", "status")}
        shown["reply"] = (step.reply or b"").decode("utf-8", "replace")
        shown["warnings"] = [warning._asdict() for warning in step.warnings]
        click.echo(json.dumps(shown, indent=2, default=lambda value: value.decode("utf-8", "replace")))
        return
    click.echo(repr(step))
    if not step.allowed and step.event in ("connect", "subscribe"):
        click.echo(f"  client:  {'comes back by itself' if step.comes_back else 'does not try again by itself'}")
