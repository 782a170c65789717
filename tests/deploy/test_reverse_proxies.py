"""nginx and Caddy with the files of deploy/: in front of a real Centrifugo, and between it and two backends."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support import caddy, nginx
from tests.support.centrifugo import running_centrifugo
from tests.support.certificates import Certificate, Certificates, make_certificates, needs_openssl
from tests.support.paths import SECRET
from tests.support.servers import (
    answers,
    free_port,
    kill_process,
    server_environment,
    start_process,
    wait_until_ready,
)
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.centrifugo, needs_openssl]

APP = """
import os
from flask import Flask, request
from proxyhooks import ConnectRequest, ConnectResult, ProxyHooks, RPCRequest, RPCResult

app = Flask(__name__)
app.config.from_prefixed_env()
hooks = ProxyHooks(app)


@hooks.connect
def connect(req: ConnectRequest) -> ConnectResult:
    with open("connects", "a") as connects:
        connects.write("x")
    return ConnectResult(user="42")


@hooks.rpc("connection")
def connection(req: RPCRequest) -> RPCResult:
    return RPCResult(data=[os.getppid(), request.environ["REMOTE_PORT"]])


@app.get("/page")
def page() -> dict[str, str]:
    return {name: request.headers[name] for name in ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Host")}
"""


class Backend:
    """gunicorn with the application, always on the same port."""

    def __init__(self, here: Path) -> None:
        self.port, self.here = free_port(), here
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:proxyhooks.gunicorn"]
        command += ["-w", "1", "-b", f"127.0.0.1:{self.port}", "app:app"]
        environment = server_environment(FLASK_PROXYHOOKS_SECRETS=json.dumps([SECRET]))
        self.process: Popen[bytes] = start_process(
            command, self.here / f"{self.port}.log", cwd=self.here, env=environment
        )

    def wait(self) -> None:
        log = self.here / f"{self.port}.log"
        wait_until_ready(self.process, log, lambda: answers(self.port), timeout=300)

    def kill(self) -> None:
        """Kill the master and its worker, as when the machine fails."""
        pid = self.process.pid
        if self.process.poll() is None:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for process in (pid, *map(int, children)):
                os.kill(process, signal.SIGKILL)
        kill_process(self.process)


@dataclass
class Site:
    here: Path
    tls: Certificates
    port: int
    """Of the public site."""
    hooks: int
    """The port for Centrifugo's calls."""
    backends: tuple[Backend, ...]
    """Those behind the proxy."""

    @property
    def connects(self) -> int:
        """How often the connect hook has run."""
        counted = self.here / "connects"
        return counted.stat().st_size if counted.exists() else 0

    def context(self, client: Certificate | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.tls.ca.pem))
        if client is not None:
            context.load_cert_chain(client.pem, client.key)
        return context

    def connection(self, port: int | None = None, client: Certificate | None = None) -> http.client.HTTPSConnection:
        context = self.context(client)
        return http.client.HTTPSConnection("localhost", port or self.port, timeout=60, context=context)

    def status(self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any) -> int:
        with closing(self.connection(**options)) as connection:
            connection.request(method, path, CALL, {"X-Proxyhooks-Secret": SECRET, **(headers or {})})
            return connection.getresponse().status


CALL = json.dumps({"client": "1", "transport": "websocket", "protocol": "json", "encoding": "json"})


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, Backend]]:
    here = tmp_path_factory.mktemp("backends")
    (here / "app.py").write_text(APP)
    pair = Backend(here), Backend(here)
    try:
        for backend in pair:
            backend.wait()
        yield pair
    finally:
        for backend in pair:
            backend.kill()


@pytest.fixture(
    scope="module",
    params=[pytest.param("nginx", marks=nginx.needs_nginx), pytest.param("caddy", marks=caddy.needs_caddy)],
)
def site(
    request: pytest.FixtureRequest,
    tls: Certificates,
    backends: tuple[Backend, Backend],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    here = tmp_path_factory.mktemp(request.param)
    start, used = {"nginx": (start_nginx, backends), "caddy": (start_caddy, backends[:1])}[request.param]
    site = Site(backends[0].here, tls, free_port(), free_port(), used)
    centrifugo, internal = free_port(), free_port()
    config = here / "config.json"
    config.write_text(json.dumps(configuration(site, centrifugo, internal)))
    with start(here, site, centrifugo), running_centrifugo(config, internal, here / "centrifugo.log"):
        yield site


@contextmanager
def start_nginx(here: Path, site: Site, centrifugo: int) -> Iterator[None]:
    upstreams = nginx.backends(*(backend.port for backend in site.backends))
    files = {
        "upstreams.conf": upstreams | {"127.0.0.1:8000": f"127.0.0.1:{centrifugo}"},
        "hooks.conf": site.tls.files("/etc/nginx/tls", "hooks") | nginx.hooks_listen(site.hooks),
        "site.conf": site.tls.files("/etc/nginx/tls", "site") | nginx.site_listens(free_port(), site.port),
    }
    with nginx.running_nginx(nginx.write_nginx(here / "nginx", files), site.port):
        yield


@contextmanager
def start_caddy(here: Path, site: Site, centrifugo: int) -> Iterator[None]:
    replacements = {
        "example.com {": f"localhost:{site.port} {{\n\ttls {site.tls.server.pem} {site.tls.server.key}",
        "hooks.internal:8443": f"localhost:{site.hooks}",
        # No HTTP/3: its ports are those that the reservations of free_port() take.
        "servers :8443 {": f"servers 127.0.0.1:{site.port} {{\n\t\tprotocols h1 h2\n\t}}\n\t"
        f"servers 127.0.0.1:{site.hooks} {{\n\t\tprotocols h1 h2",
        "127.0.0.1:8000": f"127.0.0.1:{centrifugo}",
        "127.0.0.1:8070": f"127.0.0.1:{site.backends[0].port}",
    }
    replacements |= site.tls.files("/etc/caddy/tls", "hooks")
    config = caddy.write_caddy(here / "caddy", free_port(), replacements)
    with caddy.running_caddy(config, site.port):
        yield


def configuration(site: Site, port: int, internal: int) -> dict[str, Any]:
    """As ``flask centrifugo config`` writes it, with certificates and all transports."""
    own = site.tls.centrifugo
    tls = {"enabled": True, "cert_pem": str(own.pem), "key_pem": str(own.key), "server_ca_pem": str(site.tls.ca.pem)}

    def proxy(event: str) -> dict[str, Any]:
        headers = {"X-Proxyhooks-Secret": SECRET, "Idempotency-Key": "proxyhooks"}
        http = {"static_headers": headers, "tls": tls}
        return {"endpoint": f"https://localhost:{site.hooks}/centrifugo/{event}", "timeout": "20s", "http": http}

    return {
        "http_server": {"address": "127.0.0.1", "port": port, "internal_port": str(internal)},
        "client": {"proxy": {"connect": {"enabled": True, **proxy("connect")}}},
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
        "health": {"enabled": True},
        "prometheus": {"enabled": True},
        "sse": {"enabled": True},
        "http_stream": {"enabled": True},
        "uni_sse": {"enabled": True},
        "usage_stats": {"disabled": True},
    }


# clients


@contextmanager
def websocket(site: Site) -> Iterator[Callable[..., Any]]:
    """A client that is connected: a function that sends a command and returns the reply."""
    # Not websockets.sync: its thread reads while another one writes, and Python 3.11's TLS then loses bytes at times.
    url = f"wss://localhost:{site.port}/connection/websocket"
    numbers = itertools.count(1)

    async def opened() -> ClientConnection:
        return await connect(url, ssl=site.context(), proxy=None, open_timeout=60, ping_interval=None, close_timeout=1)

    async def exchange(message: dict[str, Any]) -> Any:
        await socket.send(json.dumps(message))
        return json.loads(await asyncio.wait_for(socket.recv(), 60))

    def ask(command: str, **parameters: Any) -> Any:
        return runner.run(exchange({"id": next(numbers), command: parameters}))

    with asyncio.Runner() as runner:
        socket = runner.run(opened())
        try:
            assert "connect" in ask("connect")
            yield ask
        finally:
            runner.run(socket.close())


def next_message(stream: http.client.HTTPResponse) -> Any:
    """The next message of an open stream, which must come before the stream ends."""
    while True:
        line = stream.readline().removeprefix(b"data: ").strip()
        if line and line != b"{}":
            return json.loads(line)


def test_websockets_pass(site: Site) -> None:
    with websocket(site) as ask:
        assert ask("rpc", method="connection")["rpc"]["data"]


@pytest.mark.parametrize("transport", ["sse", "http_stream"])
def test_streams_pass_at_once_and_their_clients_can_send(site: Site, transport: str) -> None:
    command = json.dumps({"id": 1, "connect": {}})
    with closing(site.connection()) as connection, closing(site.connection()) as sender:
        if transport == "sse":
            connection.request("GET", "/connection/sse?cf_connect=" + command.replace('"', "%22").replace(" ", ""))
        else:
            connection.request("POST", "/connection/http_stream", command)
        stream = connection.getresponse()
        assert stream.status == 200
        connected = next_message(stream)["connect"]
        rpc = json.dumps({"id": 2, "rpc": {"method": "connection"}})
        sent = {"session": connected["session"], "node": connected["node"], "data": rpc}
        sender.request("POST", "/emulation", json.dumps(sent))
        assert sender.getresponse().status == 204
        assert next_message(stream)["rpc"]["data"]


def test_one_way_streams_pass_at_once(site: Site) -> None:
    with closing(site.connection()) as connection:
        connection.request("POST", "/connection/uni_sse", "{}")
        assert "connect" in next_message(connection.getresponse())


@pytest.mark.parametrize("path", ["/api/info", "/metrics", "/health", "/admin/", "/emulation/../api/info"])
def test_only_the_endpoints_of_clients_are_public(site: Site, path: str) -> None:
    assert site.status("POST", path) == 404


@pytest.mark.parametrize("path", ["/page", "/connection/websocket", "/emulation"])
def test_no_other_protocol_tunnels_through(site: Site, path: str) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    with closing(site.connection()) as connection:
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status in (200, 400, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/centrifugo/connect",
        "//centrifugo/connect",
        "/centrifugo//connect",
        "/./centrifugo/connect",
        "/page/../centrifugo/connect",
        "/%63entrifugo/connect",
        "/centrifugo%2Fconnect",
        "/centrifugo/connect?x=1",
        "/%2e/centrifugo/connect",
    ],
)
def test_the_hooks_are_not_public(site: Site, path: str) -> None:
    before = site.connects
    assert site.status("POST", path) in (400, 404)
    assert site.connects == before
    assert site.status("POST", "/centrifugo/connect", port=site.hooks, client=site.tls.centrifugo) == 200
    assert site.connects == before + 1


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "Script_Name", "script_name"])
@pytest.mark.parametrize("path", ["/centrifugo/connect", "/readyz"])
def test_a_prefix_that_the_client_claims_opens_no_way_to_hooks_and_probes(site: Site, header: str, path: str) -> None:
    before = site.connects
    assert site.status("POST" if "connect" in path else "GET", f"/x{path}", headers={header: "/x"}) == 404
    assert site.connects == before


def test_pages_pass_with_the_clients_address_and_not_what_the_client_says(site: Site) -> None:
    with closing(site.connection()) as connection:
        forged = {"X-Real-IP": "1.2.3.4", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "http"}
        connection.request("GET", "/page", headers=forged)
        page = json.loads(connection.getresponse().read())
    assert page["X-Real-IP"] in ("127.0.0.1", "::1")
    assert page == {"X-Real-IP": page["X-Real-IP"], "X-Forwarded-For": page["X-Real-IP"],
                    "X-Forwarded-Proto": "https", "Host": page["Host"]}  # fmt: skip
    assert page["Host"].startswith("localhost")


@pytest.mark.parametrize("which", ["none", "stranger", "server"])
def test_a_caller_without_centrifugos_certificate_reaches_no_hook(site: Site, which: str) -> None:
    before = site.connects
    client = getattr(site.tls, which, None)
    # nginx says why, and Caddy ends the handshake.
    with suppress(ssl.SSLError, ConnectionResetError, BrokenPipeError):
        assert site.status("POST", "/centrifugo/connect", port=site.hooks, client=client) == 400
    assert site.connects == before


def test_calls_share_connections_and_backends(site: Site) -> None:
    with websocket(site) as ask:
        seen = [tuple(ask("rpc", method="connection")["rpc"]["data"]) for _ in range(60)]
    assert {backend for backend, _ in seen} == {backend.process.pid for backend in site.backends}
    assert len(set(seen)) <= 20, "a connection for each call"


@pytest.mark.parametrize("site", [pytest.param("nginx", marks=nginx.needs_nginx)], indirect=True)
def test_no_call_is_lost_if_one_of_two_backends_is_killed(site: Site) -> None:
    """The calls have an Idempotency-Key."""
    for backend in site.backends:
        with ExitStack() as stack:
            asks = [stack.enter_context(websocket(site)) for _ in range(5)]
            for count in range(40):
                if count == 10:
                    backend.kill()
                assert "rpc" in asks[count % 5]("rpc", method="connection")
        backend.start()
        backend.wait()
        wait_until_used(site, backend)


def wait_until_used(site: Site, backend: Backend) -> None:
    with websocket(site) as ask:

        def used() -> bool:
            return bool(ask("rpc", method="connection")["rpc"]["data"][0] == backend.process.pid)

        wait_until(used, "the new backend to get a call")
