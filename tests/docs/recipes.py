"""Executes the recipes of the guides. In each there are ``app`` and ``hooks``, as in the first hook of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask

from proxyhooks import ConnectResult, ProxyHooks
from proxyhooks.testing import ProxyClient
from tests.docs.markdown import FILES, Block, blocks
from tests.support.paths import SECRET

Names = dict[str, Any]


def find(name: str, language: str = "python") -> Block:
    (found,) = [
        block for file in FILES for block in blocks(file) if block.language == language and block.words == (name,)
    ]
    return found


def find_json(name: str) -> Any:
    return json.loads(find(name, "json").text)


def execute(name: str, instance: Path, **known: Any) -> Names:
    """Execute the block of this name, and return its names.

    :param instance: the folder for databases.
    """
    app = Flask("app", instance_path=str(instance))
    app.config.update(PROXYHOOKS_SECRETS=[SECRET], SECRET_KEY="for sessions")
    block = find(name)
    names: Names = {"__name__": f"recipe_{name}", "app": app, **known}
    names["hooks"] = ProxyHooks(app, http_headers=["Cookie"])
    exec(compile(block.text, block.place, "exec", dont_inherit=True), names)
    return names


def connected(names: Names, user: str = "42", **options: Any) -> ProxyClient:
    """A client of the recipe's application that has the user."""
    if "connect" not in names:
        names["connect"] = names["hooks"].connect(lambda req: ConnectResult(user=req.data or ""))
    client = ProxyClient(names["app"], **options)
    assert client.connect(user).allowed
    return client


def create_tables(names: Names) -> None:
    with names["app"].app_context():
        names["db"].create_all()


def close_database(names: Names) -> None:
    """Close the connections of the pool; Python warns of those that are left."""
    with names["app"].app_context():
        names["db"].session.remove()
        names["db"].engine.dispose()
