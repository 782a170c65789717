"""Allowed origins, which Centrifugo reads as patterns for whole origins in lower case."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from proxyhooks.centrifugo.config.checks import check
from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.reading import read_tree
from tests.support.backends import backend
from tests.support.centrifugo import running_centrifugo
from tests.support.servers import free_port

RIGHT = [
    ("https://a.example", "https://a.example"),
    ("http://localhost:5000", "http://localhost:5000"),
    ("*", "https://a.example"),
    ("*.a.example", "https://www.a.example"),
    ("https://*.a.example", "https://www.a.example"),
    ("http*://a.example", "https://a.example"),
    ("https://app[12].example", "https://app1.example"),
    ("https://{a,b}.example", "https://b.example"),
    (r"http://\[::1\]:3000", "http://[::1]:3000"),
    ("null", "null"),
    ("capacitor://localhost", "capacitor://localhost"),
    ("file://*", "file://"),
]
"""Patterns, each with an origin that a browser sends."""
ODD = [
    ('["https://a.example"]', "https://a.example", '"https://a.example"'),
    ("'https://a.example'", "https://a.example", '"https://a.example"'),
    ("https://a.example,", "https://a.example", '"https://a.example"'),
    ("https://a.example,https://b.example", "https://a.example", "one text of the list"),
    ("https://a.example https://b.example", "https://b.example", "one text of the list"),
    ("https://A.example", "https://a.example", '"https://a.example"'),
    ("https://bücher.example", "https://xn--bcher-kva.example", '"https://xn--bcher-kva.example"'),
    ("https://a.example/", "https://a.example", '"https://a.example"'),
    ("https://a.example/app", "https://a.example", '"https://a.example"'),
    ("https://user@a.example", "https://a.example", '"https://a.example"'),
    ("https://a.example:443", "https://a.example", '"https://a.example"'),
    ("http://localhost:80", "http://localhost", '"http://localhost"'),
    ("a.example", "https://a.example", '"https://a.example"'),
    ("localhost:3000", "http://localhost:3000", "localhost:3000"),
    ("wss://a.example", "https://a.example", '"https://a.example"'),
    ("http://[::1]:3000", "http://[::1]:3000", r"\\[::1\\]:3000"),
]
"""Patterns, the origin that a browser sends, and what the fix has."""


def findings_about(*origins: str) -> list[Finding]:
    findings = check(read_tree({"client": {"allowed_origins": list(origins)}}, {}).config, backend(), environ={})
    return [finding for finding in findings if finding.id in ("PH015", "PH035")]


@pytest.mark.parametrize("origin", [origin for origin, _ in RIGHT])
def test_an_origin_that_browsers_send_has_no_finding(origin: str) -> None:
    assert findings_about(origin) == []


@pytest.mark.parametrize(("origin", "fix"), [(origin, fix) for origin, _, fix in ODD])
def test_an_origin_that_no_browser_sends_is_an_error(origin: str, fix: str) -> None:
    (finding,) = findings_about("https://other.example", origin)
    assert (finding.id, finding.level, finding.path) == ("PH035", "error", "client.allowed_origins[1]")
    assert fix in finding.fix


def test_an_origin_that_keeps_centrifugo_from_starting_says_so() -> None:
    (finding,) = findings_about("https://a[b.example")
    assert "does not start" in finding.text


def test_json_in_the_variable_of_the_origins_is_an_error() -> None:
    config = read_tree({}, {"CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": '["https://a.example", "https://b.example"]'}).config
    findings = check(config, backend(), environ={})
    assert [finding.path for finding in findings if finding.id == "PH035"] == [
        "client.allowed_origins[0]",
        "client.allowed_origins[1]",
    ]


def test_an_empty_list_of_origins_allows_no_browser() -> None:
    assert [finding.id for finding in findings_about()] == ["PH015"]
    assert [finding.id for finding in findings_about("")] == ["PH015"]


def test_odd_origins_beside_a_star_do_no_harm() -> None:
    assert findings_about("a.example", "*") == []


UPGRADE = (
    "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def status_of_a_browser(port: int, origin: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(UPGRADE.format(origin).encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.centrifugo
@pytest.mark.parametrize(
    ("patterns", "origins", "status"),
    [
        ([pattern for pattern, _, _ in ODD], [origin for _, origin, _ in ODD], 403),
        ([pattern for pattern, _ in RIGHT if pattern != "*"], [origin for _, origin in RIGHT], 101),
    ],
)
def test_centrifugo_reads_origins_so(patterns: list[str], origins: list[str], status: int, tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "config.json"
    server = {"http_server": {"port": port}, "health": {"enabled": True}}
    config.write_text(json.dumps(server | {"client": {"allowed_origins": patterns}}))
    with running_centrifugo(config, port, tmp_path / "log"):
        for origin in origins:
            assert (origin, status_of_a_browser(port, origin)) == (origin, status)


@pytest.mark.parametrize("headers", [["cookie"], ["X-Version"], []])
@pytest.mark.parametrize(
    ("origin", "is_every_site"),
    [
        ("*", True),
        ("**", True),
        ("http*", True),
        ("https://*", True),
        ("http*://*", True),
        ("*://*", True),
        ("null", True),
        ("https://*.a.example", False),
        ("*.a.example", False),
        ("https://a.example", False),
        ("file://*", False),
    ],
)
def test_a_forwarded_cookie_and_pages_of_every_site_do_not_go_together(
    origin: str, is_every_site: bool, headers: list[str]
) -> None:
    connect = {"enabled": True, "endpoint": "http://127.0.0.1:8070/centrifugo/connect", "http_headers": headers}
    client = {"allowed_origins": ["https://a.example", origin], "proxy": {"connect": connect}}
    reading = read_tree({"client": client}, {})
    found = [finding for finding in check(reading.config, backend(), environ={}) if finding.id == "PH036"]
    expected = ["client.allowed_origins[1]"] if is_every_site and "cookie" in headers else []
    assert [finding.path for finding in found] == expected
