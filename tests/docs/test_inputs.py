"""The table of inputs in deploy/README.md, and what README.md says of ``abort``: asked and compared."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask, abort
from marshmallow import Schema, fields

from proxyhooks import ProxyHooks, RPCRequest, RPCResult, SubRefreshResult
from tests.docs.markdown import read

HEADERS = {"X-Proxyhooks-Secret": "s", "Content-Type": "application/json"}
DEEP = b'{"data":' + b"[" * 300 + b"]" * 300 + b"}"


class Strict(Schema):
    text = fields.String(required=True)


def rows() -> dict[str, str]:
    """The cell of the reply by that of the input."""
    text = read("deploy/README.md").partition("| input | reply | also |")[2].partition("\n\n")[0]
    cells = [row.strip("|").split("|") for row in text.split("\n")[2:]]
    return {name.strip(): reply.strip() for name, reply, _ in cells}


@pytest.fixture
def app() -> Flask:
    app = Flask("app")
    hooks = ProxyHooks(app, secrets=["s"])
    hooks.connect(lambda req: None)  # type: ignore[arg-type, return-value]  # the wrong thing
    hooks.rpc("strict", data_schema=Strict)(lambda req: RPCResult())
    hooks.sub_refresh("other")(lambda req: SubRefreshResult(expired=True))

    @hooks.rpc("abort/<int:status>")
    def aborting(req: RPCRequest, status: int) -> RPCResult:
        abort(status)

    @hooks.rpc("raise")
    def raising(req: RPCRequest) -> RPCResult:
        raise ZeroDivisionError

    return app


def ask(app: Flask, event: str, body: Any, method: str = "POST", headers: dict[str, str] = HEADERS) -> str:
    """The status, or the code of the error, or ``expired``."""
    data = body if isinstance(body, bytes) else json.dumps(body)
    reply = app.test_client().open(f"/centrifugo/{event}", method=method, data=data, headers=headers)
    if reply.status_code != 200:
        return str(reply.status_code)
    envelope: Any = reply.json
    return str(envelope["error"]["code"]) if "error" in envelope else "expired"


# By the start of the first cell: what is asked, and every answer that the second cell has to name.
INPUTS: dict[str, list[tuple[str, Any, str]]] = {
    "no secret": [("rpc", {}, "403")],
    "not `POST`": [("rpc", {}, "405")],
    "a body over": [("rpc", b'"' + b"x" * 2**20 + b'"', "413")],
    "not JSON": [(event, body, "400") for event in ("rpc", "refresh") for body in (b"{", b"[]", b"\xff", {"user": 1})]
    + [("rpc", {"b64data": "?"}, "400")],
    "more than 256": [("rpc", DEEP, "107"), ("rpc", b'{"data":1' + b"0" * 4400 + b"}", "107")],
    "a payload": [("rpc", {"method": "strict", "data": {}}, "107")],
    "an unknown": [
        ("sub_refresh", {"user": "1", "channel": "x"}, "expired"),
        ("rpc", {"method": "x"}, "104"),
    ],
    "an event": [("publish", {"channel": "x"}, "404")],
    "a hook that raises": [("rpc", {"method": "raise"}, "500")],
    "a hook that returns": [("connect", {}, "500")],
}
# Calls that come too late are those of the tests of load shedding; a status is its own answer. Whole servers get bodies
# that cannot be read.
ELSEWHERE = ("a call that", "a hook that aborts", "a body that cannot")


def test_every_row_is_asked() -> None:
    for row in rows():
        assert row.startswith((*INPUTS, *ELSEWHERE)), row


@pytest.mark.parametrize("start", INPUTS)
def test_an_input_gets_the_reply_of_the_table(app: Flask, start: str) -> None:
    (expected,) = [reply for name, reply in rows().items() if name.startswith(start)]
    for event, body, answer in INPUTS[start]:
        method = "GET" if answer == "405" else "POST"
        headers = {"Content-Type": "application/json"} if answer == "403" else HEADERS
        assert ask(app, event, body, method, headers) == answer
        assert answer in re.findall(r"\w+", expected)


def test_an_abort_with_5xx_is_that_status(app: Flask) -> None:
    (expected,) = [reply for name, reply in rows().items() if name.startswith("a hook that aborts")]
    assert expected == "that status"
    assert ask(app, "rpc", {"method": "abort/503"}) == "503"


def test_an_abort_with_4xx_is_the_error_that_the_readme_names(app: Flask) -> None:
    (sentence,) = re.findall(r"`abort\(403\)` works too: (.*?);", read("README.md"), re.DOTALL)
    codes = dict(re.findall(r"\b(4\d\d)\s+(?:is\s+sent\s+)?as\s+(1\d\d)\b", sentence))
    (others,) = re.findall(r"any other 4xx as (\d+)", sentence)
    assert codes.keys() == {"401", "403", "404", "429"}
    for status in (400, 401, 403, 404, 409, 418, 422, 429):
        assert ask(app, "rpc", {"method": f"abort/{status}"}) == codes.get(str(status), others)
