"""README's table of events: what the package answers is what its cells say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from proxyhooks import Disconnect, ProxyHooks, errors
from tests.docs.markdown import read
from tests.docs.package import EVENTS

FIELDS = {"user": "42", "channel": "chat:7", "method": "order", "key": "k"}


def rows() -> dict[str, list[str]]:
    """The cells after the first one, by event."""
    text = read("README.md").partition("| event | pattern on |")[2].partition("\n\n")[0]
    found: dict[str, list[str]] = {}
    for row in text.split("\n")[2:]:
        names, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        found |= dict.fromkeys(names.replace("(PRO)", "").strip().split(", "), cells)
    return found


def answer(event: str, *hooks: tuple[tuple[str, ...], Callable[..., Any]]) -> str:
    """What is answered, in the words of the table."""
    app = Flask("event_table")  # its logger is disabled, and stays so
    registered = ProxyHooks(app, secrets=["s"])
    for pattern, hook in hooks:
        getattr(registered, event)(*pattern)(hook)
    app.logger.disabled = True
    reply = app.test_client().post(f"/centrifugo/{event}", json=FIELDS, headers={"X-Proxyhooks-Secret": "s"})
    if reply.status_code != 200:
        return str(reply.status_code)
    envelope: Any = reply.json
    ((kind, value),) = envelope.items()
    if kind == "error":
        return f"error {value['code']} {value['message']}"
    if kind == "disconnect":
        return "disconnect"
    ((name, said),) = value.items() or (("", None),)
    return f"`{name}: {json.dumps(said)}`" if name else "an empty result"


def raising(refusal: Any) -> Callable[..., Any]:
    def hook(req: Any, **variables: Any) -> Any:
        raise refusal

    return hook


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_answered_is_what_the_table_says(event: str) -> None:
    pattern_on, unmatched, final, temporary, none = rows()[event]
    assert pattern_on == (EVENTS[event].routed_on or "")
    if pattern_on:
        given = answer(event, (("other",), raising(errors.PermissionDenied)))
        assert unmatched == (given.split()[1] if given.startswith("error") else given)
    else:
        assert unmatched == ""
    refused = answer(event, ((), raising(errors.PermissionDenied)))
    assert final.startswith("error" if refused == "error 103 permission denied" else refused)
    closed = answer(event, ((), raising(Disconnect(4501, "banned"))))
    if "or disconnect" in final:
        assert closed == "disconnect"
    elif "as 100 with its reason" in final:
        assert closed == "error 100 banned"
    given = answer(event, ((), raising(errors.TooManyRequests)))
    if temporary == "the same":
        assert given == refused.replace("103 permission denied", "111 too many requests")
    else:
        assert temporary.split(":")[0] == given == "500"
    assert answer(event, ((), lambda req, **variables: None)) == none
