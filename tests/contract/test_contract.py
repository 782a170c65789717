"""The contract with the front end, and that its TypeScript compiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import INCLUDE, Schema, fields, validate
from rooms import create_app

from proxyhooks import (
    ChannelPattern,
    ConnectResult,
    Error,
    MapPublishResult,
    ProxyHooks,
    PublishResult,
    RPCResult,
    SubscribeResult,
)
from proxyhooks.cli import centrifugo
from proxyhooks.contract import contract_of
from proxyhooks.contract.typescript import typescript
from tests.support.typescript import compile_module, needs_compiler, node


class Author(Schema):
    name = fields.String(required=True)
    born = fields.Date(allow_none=True)


class Note(Schema):
    class Meta:
        unknown = INCLUDE

    id = fields.Integer(dump_only=True)
    secret = fields.String(load_only=True)
    text = fields.String(required=True, data_key="the text")
    kind = fields.String(validate=validate.OneOf(["a", "b"]))
    author = fields.Nested(Author, allow_none=True)
    replies = fields.List(fields.Nested(lambda: Note(exclude=["replies"])))
    tags = fields.Dict(keys=fields.String(), values=fields.Integer())
    anything = fields.Raw()


class TooLong(Error):
    code, message = 1010, "too long"


PATTERNS = [
    *("chat:<int:room_id>", "chat:<int:room_id>/<name>", "files:<path:rest>", "inbox:<uuid:user>", "news", "<any_one>"),
    *("delete", "a-b_c:<x>#<y>"),
]


@pytest.fixture
def hooks(app: Flask) -> ProxyHooks:
    hooks = ProxyHooks(app, meta_schema=Author)
    for pattern in PATTERNS:
        hooks.subscribe(pattern)(lambda req, **variables: SubscribeResult()) if "#" not in pattern else None
    hooks.publish("chat:<int:room_id>", data_schema=Note, result_schema=Note)(lambda req, room_id: PublishResult())
    hooks.publish("a-b_c:<x>#<y>")(lambda req, x, y: PublishResult())
    hooks.rpc("notes.list", result_schema=Note(many=True))(lambda req: RPCResult())
    hooks.rpc("notes.add", data_schema=Note(partial=True, exclude=["author"]))(lambda req: RPCResult())
    hooks.rpc("users.<int:user_id>")(lambda req, user_id: RPCResult())
    hooks.rpc("raw", data_schema=lambda data: data)(lambda req: RPCResult())
    return hooks


def test_loaded_and_dumped_fields_are_separate(hooks: ProxyHooks) -> None:
    contract = contract_of(hooks)
    sent, got = contract["$defs"]["Note"]["properties"], contract["$defs"]["NoteResult"]["properties"]
    assert "secret" in sent
    assert "secret" not in got
    assert "id" in got
    assert "id" not in sent
    assert contract["$defs"]["Note"]["required"] == ["the text"]
    assert contract["publish"]["chat:<int:room_id>"] == {
        "data": {"$ref": "#/$defs/Note"},
        "result": {"$ref": "#/$defs/NoteResult"},
    }
    assert contract["rpc"]["raw"] == {"data": None, "result": None}
    assert contract["rpc"]["notes.list"]["result"] == {"type": "array", "items": {"$ref": "#/$defs/NoteResult"}}
    assert contract["methods"] == ["users.<int:user_id>"]
    assert contract["errors"]["PermissionDenied"] == {"code": 103, "message": "permission denied", "temporary": False}
    assert contract["errors"]["TooLong"]["code"] == 1010
    assert contract["disconnects"]["ForceNoReconnect"]["terminal"] is True
    assert json.loads(json.dumps(contract)) == contract


def test_the_meta_of_connections_is_no_business_of_the_front_end(app: Flask) -> None:
    class MetaSchema(Schema):
        credit_rating = fields.Integer()

    hooks = ProxyHooks(app, meta_schema=MetaSchema)
    hooks.rpc("ping")(lambda req: RPCResult())
    contract = contract_of(hooks)
    assert "credit_rating" not in json.dumps(contract)
    assert "credit_rating" not in typescript(contract)
    assert "Meta" not in typescript(contract)


def test_every_reference_has_a_definition(hooks: ProxyHooks) -> None:
    contract = contract_of(hooks)

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            found = {value["$ref"]} if "$ref" in value else set()
            return found.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(contract) <= {f"#/$defs/{name}" for name in contract["$defs"]}


def test_a_schema_has_the_same_name_in_both_directions_and_another_class_a_number(app: Flask) -> None:
    class ItemSchema(Schema):
        price = fields.Decimal(as_string=True)

    class Elsewhere:
        class ItemSchema(Schema):
            other = fields.Integer(required=True)

    class ItemResultSchema(Schema):
        third = fields.Boolean()

    hooks = ProxyHooks(app)
    hooks.rpc("a", data_schema=ItemSchema, result_schema=Elsewhere.ItemSchema)(lambda req: RPCResult())
    hooks.rpc("b", data_schema=Elsewhere.ItemSchema, result_schema=ItemSchema(many=True))(lambda req: RPCResult())
    hooks.rpc("c", data_schema=ItemResultSchema)(lambda req: RPCResult())
    contract = contract_of(hooks)
    assert contract["rpc"]["a"] == {"data": {"$ref": "#/$defs/Item"}, "result": {"$ref": "#/$defs/Item2Result"}}
    assert contract["rpc"]["b"]["data"] == {"$ref": "#/$defs/Item2"}
    assert contract["rpc"]["b"]["result"]["items"] == {"$ref": "#/$defs/ItemResult"}
    assert contract["$defs"]["Item"]["properties"] == {"price": {"type": "string"}}
    assert contract["$defs"]["Item2"]["properties"] == {"other": {"type": "integer"}}
    # A name that a result has taken is no name for another schema.
    third = contract["rpc"]["c"]["data"]["$ref"].rpartition("/")[2]
    assert third == "ItemResult2"
    assert contract["$defs"][third]["properties"] == {"third": {"type": "boolean"}}


def test_the_contract_is_the_same_each_time(hooks: ProxyHooks) -> None:
    assert typescript(contract_of(hooks)) == typescript(contract_of(hooks))


PROGRAM = """
import { channels, methods, errors, disconnects } from "./contract.js";
import type { Note, NoteResult, Publications, RpcMethods } from "./contract.js";

const note: Note = { "the text": "hi", kind: "a", author: null, tags: { x: 1 } };
const got: NoteResult = { id: 1, "the text": "hi", author: { name: "ada", born: null } };
const sent: Publications["chat:<int:room_id>"]["data"] = note;
const listed: RpcMethods["notes.list"]["result"] = [got];
const denied: 103 = errors.PermissionDenied.code;
const away: true = disconnects.ForceNoReconnect.terminal;
// @ts-expect-error a number is no text
const wrong: Note = { "the text": 1 };
// @ts-expect-error there is no such kind
const odd: Note = { "the text": "x", kind: "c" };
// @ts-expect-error a variable is missing
const none = () => channels.chat({});
void [sent, listed, denied, away, wrong, odd, none];

function refused(make: () => string): boolean {
  try { make(); return false; } catch { return true; }
}

console.log(JSON.stringify({
  made: [
    channels.chat({ room_id: 7 }), channels.chat({ room_id: 9223372036854775807n }), channels.chat({ room_id: -0 }),
    channels.chatByRoomIdAndName({ room_id: 7, name: "é b" }), channels.files({ rest: "a/b:c" }), channels.news(),
    channels.inbox({ user: "12345678-1234-1234-1234-123456789abc" }), channels.delete(),
    channels.aBC({ x: "1", y: "2" }), methods.users({ user_id: 3 }),
  ],
  refused: [
    () => channels.chat({ room_id: -1 }), () => channels.chat({ room_id: 1.5 }), () => channels.chat({ room_id: NaN }),
    () => channels.chat({ room_id: 2 ** 53 }), () => channels.chat({ room_id: 9223372036854775808n }),
    () => channels.chatByRoomIdAndName({ room_id: 1, name: "" }),
    () => channels.chatByRoomIdAndName({ room_id: 1, name: "a:b" }), () => channels.files({ rest: "" }),
    () => channels.inbox({ user: "12345678-1234-1234-1234-123456789ABC" }),
    () => channels.inbox({ user: "12345678-1234-1234-1234-123456789abc\\n" }),
  ].map(refused),
}));
"""


@needs_compiler
@pytest.mark.slow
def test_typescript_compiles_and_its_functions_return_channels_that_match(hooks: ProxyHooks, tmp_path: Path) -> None:
    (tmp_path / "program.ts").write_text(PROGRAM)
    compile_module(typescript(contract_of(hooks)), tmp_path, "program.ts")
    ran = node("program.js", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["refused"] == [True] * 10
    assert said["made"][:3] == ["chat:7", "chat:9223372036854775807", "chat:0"]
    patterns = [ChannelPattern(text) for text in (*PATTERNS, "users.<int:user_id>")]
    for channel in said["made"]:
        assert any(pattern.match(channel) is not None for pattern in patterns), channel


@needs_compiler
@pytest.mark.slow
def test_the_typescript_of_the_rooms_example_compiles(tmp_path: Path) -> None:
    app = create_app({"SECRET_KEY": "for sessions", "PROXYHOOKS_SECRETS": ["s3cret"]})
    written = app.test_cli_runner().invoke(centrifugo, ["export", "typescript"])
    compile_module(written.stdout, tmp_path)
    assert "RoomIsFull" in written.stdout
    assert '  "rooms:<int:room_id>": MessageResult | JoinedResult | LeftResult;\n' in written.stdout
    assert '  "rooms:<int:room_id>": { data: Subscribe; result: HistoryResult };\n' in written.stdout
    assert "export type ConnectResult = WelcomeResult;\n" in written.stdout


def test_check_finds_differences(hooks: ProxyHooks, app: Flask, tmp_path: Path) -> None:
    runner, path = app.test_cli_runner(), tmp_path / "contract.ts"
    assert runner.invoke(centrifugo, ["export", "typescript", "--output", str(path)]).exit_code == 0
    assert runner.invoke(centrifugo, ["export", "typescript", "--check", str(path)]).exit_code == 0
    path.write_text(path.read_text().replace("news", "olds"))
    drift = runner.invoke(centrifugo, ["export", "typescript", "--check", str(path)])
    assert drift.exit_code == 1
    assert "olds" in drift.stdout
    assert f"flask centrifugo export typescript --output {path}" in drift.stderr
    missing = runner.invoke(centrifugo, ["export", "json", "--check", str(tmp_path / "none.json")])
    assert missing.exit_code == 1
    assert json.loads(runner.invoke(centrifugo, ["export", "json"]).stdout) == contract_of(hooks)


class Joined(Schema):
    type = fields.Constant("joined")
    name = fields.String(required=True)


def test_results_of_connect_and_subscribe_are_in_the_contract(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.connect(result_schema=Author)(lambda req: ConnectResult(user="1"))
    hooks.subscribe("news", result_schema=Author(many=True))(lambda req: SubscribeResult())
    contract = contract_of(hooks)
    author = {"$ref": "#/$defs/AuthorResult"}
    assert contract["connect"] == {"data": None, "result": author}
    assert contract["subscribe"] == {"news": {"data": None, "result": {"type": "array", "items": author}}}
    text = typescript(contract)
    assert "export type ConnectData = unknown;\n" in text
    assert "export type ConnectResult = AuthorResult;\n" in text
    assert '  "news": { data: unknown; result: Array<AuthorResult> };\n' in text


def test_publications_of_backend_and_clients_are_in_the_contract(app: Flask) -> None:
    hooks = ProxyHooks(app)
    hooks.publication("news", Author)
    hooks.publication("rooms:<int:n>", Author, Joined)
    hooks.publication("rooms:<name>", Author)
    hooks.publication("open", Author)
    hooks.publish("rooms:<int:n>", result_schema=Author(exclude=["born"]))(lambda req, n: PublishResult())
    hooks.publish("rooms:<name>", result_schema=Author)(lambda req, name: PublishResult())
    hooks.publish("open")(lambda req: PublishResult())
    hooks.publish("other")(lambda req: PublishResult())
    hooks.publish(result_schema=Author)(lambda req: PublishResult())
    hooks.map_publish("board", result_schema=Joined)(lambda req: MapPublishResult())
    contract = contract_of(hooks)
    author, joined = {"$ref": "#/$defs/AuthorResult"}, {"$ref": "#/$defs/JoinedResult"}
    assert contract["publications"] == {
        "board": joined,
        "news": author,
        "open": None,  # the hook has no result_schema, so clients may receive anything
        "rooms:<int:n>": {"anyOf": [author, joined, {"$ref": "#/$defs/Author2Result"}]},
        "rooms:<name>": author,
    }
    assert "news" in contract["channels"]
    assert (
        '\nexport interface ReceivedPublications {\n  "board": JoinedResult;\n  "news": AuthorResult;\n'
        in typescript(contract)
    )


RECEIVER = """
import type { ReceivedPublications } from "./contract.js";

export function shown(received: ReceivedPublications["rooms:<int:n>"]): string {
  if (received.type === "joined") return received.name;
  // @ts-expect-error nobody joined, so there is only a text
  return received.name;
}
export const joined: ReceivedPublications["rooms:<int:n>"] = { type: "joined", name: "ada" };
// @ts-expect-error not published to this channel
export const other: ReceivedPublications["rooms:<int:n>"] = { type: "left", name: "ada" };
"""


class Message(Schema):
    type = fields.Constant("message")
    text = fields.String(required=True)


@needs_compiler
@pytest.mark.slow
def test_the_type_of_a_publication_tells_its_kinds_apart(app: Flask, tmp_path: Path) -> None:
    hooks = ProxyHooks(app)
    hooks.publication("rooms:<int:n>", Message, Joined)
    (tmp_path / "program.ts").write_text(RECEIVER)
    compile_module(typescript(contract_of(hooks)), tmp_path, "--noEmit", "program.ts")


def test_a_file_that_cannot_be_written_or_is_no_text_is_told_in_a_sentence(app: Flask, tmp_path: Path) -> None:
    ProxyHooks(app)
    runner = app.test_cli_runner()
    missing = tmp_path / "missing" / "contract.ts"
    result = runner.invoke(centrifugo, ["export", "typescript", "--output", str(missing)])
    assert (result.exit_code, f"{missing} cannot be written: No such file" in result.output) == (1, True)
    (tmp_path / "contract.ts").write_bytes(b"\xff\xfe")
    result = runner.invoke(centrifugo, ["export", "typescript", "--check", str(tmp_path / "contract.ts")])
    assert (result.exit_code, "differs from the hooks" in result.output) == (1, True)
