"""A new event is an entry in the table, its two messages and a decorator line; everything else derives from them.

The test adds one to a copy of the package, and uses it as an application would.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

REQUEST = """

@message_class
class PokeRequest(UserRequest[MetaT], Generic[DataT, MetaT]):
    channel: str = ""
    data: PayloadOf[DataT] = None  # type: ignore[assignment]
"""
RESULT = """

@message_class
class PokeResult(Result):
    data: PayloadOf[Any] = None
    strength: Int64 | None = None
"""
ENTRY = """    Event(
        name="poke",
        request=messages.PokeRequest,
        result=messages.PokeResult,
        proxy="channel.proxy.poke",
        option="poke_proxy_enabled",
        routed_on="channel",
        request_has_data=True,
        result_has_data=True,
        unmatched_error=errors.UnknownChannel,
    ),
"""
DECORATOR = """\
        self.poke = PatternDataResultDecorator[m.PokeRequest[Any, Any], m.PokeResult]("poke", register)
"""
PROGRAM = """
import json, sys
from flask import Flask
from marshmallow import Schema, fields
from proxyhooks import ConnectResult, Hooks, PokeRequest, PokeResult, ProxyHooks, SetupError, errors
import proxyhooks
from proxyhooks.cli import centrifugo
from proxyhooks.contract import contract_of
from proxyhooks.contract.typescript import typescript
from proxyhooks.testing import ProxyClient

class Strength(Schema):
    newton = fields.Integer(required=True)

app = Flask("app")
app.config["PROXYHOOKS_SECRETS"] = ["s3cret"]
hooks = ProxyHooks(app)
hooks.connect(lambda req: ConnectResult(user="42", meta={"a": 1}))
rooms = Hooks()
hooks.include(rooms)

@rooms.poke("users:<int:user_id>", data_schema=Strength)
def poke(req: PokeRequest, user_id: int) -> PokeResult:
    if user_id == 1:
        raise errors.PermissionDenied
    return PokeResult(data={"by": req.user, "of": user_id}, strength=req.data["newton"])

out = {"file": proxyhooks.__file__, "public": "PokeRequest" in dir(proxyhooks)}
def post(**fields):
    return app.test_client().post("/centrifugo/poke", json=fields, headers={"X-Proxyhooks-Secret": "s3cret"}).json
out["posted"] = post(user="7", channel="users:2", data={"newton": 3})
out["refused"] = post(channel="users:1", data={"newton": 3})
out["invalid"] = post(channel="users:2", data={})
out["unmatched"] = post(channel="rooms:2", data={})
client = ProxyClient(app, include_connection_meta=True)
client.connect()
exchange = client._caller.call("poke", {"channel": "users:2", "data": {"newton": 3}})
out["request"], out["outcome"], out["result"] = list(exchange.request), exchange.outcome, exchange.result
out["user"] = exchange.request["user"]
contract = contract_of(hooks)
out["contract"], out["channels"], out["typescript"] = contract["poke"], contract["channels"], typescript(contract)
run = app.test_cli_runner().invoke
out["hooks"] = run(centrifugo, ["hooks"]).output
called = ["call", "poke", "--user", "7", "--channel", "users:2", "--data", '{"newton": 3}']
out["call"] = run(centrifugo, called).output
try:
    rooms.poke("users:<int:other>")(lambda req, other: PokeResult())
except SetupError as error:
    out["late"] = str(error)
print(json.dumps(out))
"""


def edit(path: Path, before: str, added: str) -> None:
    """Insert a text before the first line that starts with another."""
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, f"{added}{before}", 1))


def test_a_new_event_is_one_entry_two_messages_and_a_decorator_line(tmp_path: Path) -> None:
    package = tmp_path / "proxyhooks"
    shutil.copytree(ROOT / "proxyhooks", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, message in (("requests", REQUEST), ("results", RESULT)):
        path = package / "_wire" / f"{name}.py"
        path.write_text(path.read_text() + message)
    edit(package / "_dispatch" / "events.py", '    Event(\n        name="connect"', ENTRY)
    edit(package / "_dispatch" / "registry.py", "        self.connect = ", DECORATOR)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROGRAM}"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    out = json.loads(ran.stdout.splitlines()[-1])
    assert out["file"] == str(package / "__init__.py")
    assert out["public"]
    assert out["posted"] == {"result": {"data": {"by": "7", "of": 2}, "strength": 3}}
    assert out["refused"] == {"error": {"code": 103, "message": "permission denied"}}
    assert out["invalid"] == {"error": {"code": 107, "message": "bad request"}}
    assert out["unmatched"] == {"error": {"code": 102, "message": "unknown channel"}}
    assert out["request"] == ["client", "transport", "protocol", "encoding", "user", "channel", "data", "meta"]
    assert (out["outcome"], out["user"]) == ("allowed", "42")
    assert out["result"] == {"data": {"by": "42", "of": 2}, "strength": 3}
    assert out["contract"] == {"users:<int:user_id>": {"data": {"$ref": "#/$defs/Strength"}, "result": None}}
    assert out["channels"] == ["users:<int:user_id>"]
    assert '"users:<int:user_id>": { data: Strength; result: unknown };' in out["typescript"]
    assert "export interface Poke {" in out["typescript"]
    assert "users:<int:user_id>" in out["hooks"]
    assert "<poke: allowed>" in out["call"]
    assert "comes too late" in out["late"]
