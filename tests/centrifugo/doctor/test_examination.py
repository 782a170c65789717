"""What the doctor finds out: each fault, on a server that has it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from proxyhooks.centrifugo.doctor.examination import examine
from proxyhooks.centrifugo.doctor.http_client import CheckResult, DoctorOptions, backend_url
from proxyhooks.centrifugo.doctor.keepalive_checks import latency
from tests.support.servers import answers, free_port, running_server

APP = """
from flask import Flask
from proxyhooks import ProxyHooks

app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
"""


def find(url: str, secret: str | None = "s3cret", idle: float = 0, **options: Any) -> dict[str, CheckResult]:
    findings = list(examine(DoctorOptions(backend=backend_url(url), secret=secret, idle=idle, **options)))
    assert all(bool(finding.fix) == (finding.level != "ok") for finding in findings)
    return {finding.id: finding for finding in findings}


def faults(found: dict[str, CheckResult]) -> dict[str, str]:
    return {name: finding.level for name, finding in found.items() if finding.level != "ok"}


@contextmanager
def gunicorn(here: Path, *arguments: str) -> Iterator[str]:
    (here / "app.py").write_text(APP)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *arguments, "app:app"]
    with running_server(command, here / "gunicorn.log", is_ready=lambda: answers(port), cwd=here):
        yield f"http://127.0.0.1:{port}"


Answer = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]]


@contextmanager
def fake(
    answer: Answer, certificate: Path | None = None, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, reply = answer(self, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(reply))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        address_family = family

        def handle_error(self, *_: object) -> None: ...  # clients that hang up

    host = "[::1]" if family == socket.AF_INET6 else "127.0.0.1"
    server = Server((host.strip("[]"), 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' * (certificate is not None)}://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def like_hooks(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if request.command != "POST":
        return 405, {}, b""
    if request.headers["X-Proxyhooks-Secret"] != "s3cret":
        return 403, {}, b"forbidden"
    return (200, {}, b'{"error":{"code":107}}') if body.startswith(b"[") else (400, {}, b"no message")


def always(status: int, body: bytes = b"", **headers: str) -> Answer:
    return lambda request, _: (status, headers, body)


@pytest.mark.server
def test_the_settings_of_the_package_have_no_fault(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-c", "python:proxyhooks.gunicorn", "-w", "1") as url:
        found = find(url, idle=2.6)
    assert faults(found) == {}
    assert {"path", "wrong_secret", "secret", "reply", "latency", "keep_alive", "idle", "large_headers"} <= set(found)


@pytest.mark.server
def test_gunicorns_own_settings_close_idle_connections_and_refuse_large_headers(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", "gthread", "--keep-alive", "1") as url:
        found = find(url, idle=5)
    assert faults(found) == {"idle": "warning", "large_headers": "warning"}
    assert "431" in found["large_headers"].text
    assert "python:proxyhooks.gunicorn" in found["idle"].fix


@pytest.mark.server
def test_the_sync_worker_has_no_keep_alive(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as url:
        assert "keep_alive" in faults(find(url, idle=1))


def test_a_wrong_secret_is_an_error() -> None:
    with fake(like_hooks) as url:
        assert faults(find(url)) == {}
        assert faults(find(url, "other")) == {"secret": "error"}
        assert faults(find(url, None)) == {"secret": "warning"}


def test_a_secret_that_nobody_checks_is_an_error() -> None:
    def careless(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        request.headers.replace_header("X-Proxyhooks-Secret", "s3cret")
        return like_hooks(request, body)

    with fake(careless) as url:
        found = find(url)
        assert found["wrong_secret"].level == "error"
        assert "anyone" in found["wrong_secret"].text
        assert find(url, insecure=True)["wrong_secret"].level == "warning"


@pytest.mark.parametrize(
    ("status", "fix"),
    [(404, "--prefix"), (401, "login"), (502, "in between"), (500, "log"), (200, "endpoint")],
)
def test_what_is_no_hook_is_an_error(status: int, fix: str) -> None:
    with fake(always(status, b"{}")) as url:
        found = find(url)
    assert faults(found) == {"path": "error"}
    assert fix in found["path"].fix


@pytest.mark.parametrize(
    ("status", "to", "fix"),
    [
        (302, "/login?next=1", "leave /centrifugo/ alone"),
        (301, "https://example.com/centrifugo/connect", "write https://example.com/centrifugo/connect"),
        (308, "/centrifugo/connect/", "no slash"),
    ],
)
def test_a_redirect_is_an_error_that_names_its_goal(status: int, to: str, fix: str) -> None:
    with fake(always(status, Location=to)) as url:
        found = find(url)
    assert faults(found) == {"redirect": "error"}
    assert to in found["redirect"].text
    assert fix in found["redirect"].fix


def test_a_reply_that_something_rewrites_is_a_warning() -> None:
    def rewriting(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, headers, reply = like_hooks(request, body)
        return status, headers, b"<html>" if status == 200 else reply

    with fake(rewriting) as url:
        assert faults(find(url)) == {"reply": "warning"}


def test_a_server_that_is_slower_than_the_timeout_is_an_error() -> None:
    def slow(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.5)
        return like_hooks(request, body)

    with fake(slow) as url:
        assert faults(find(url, timeout=0.1)) == {"timeout": "error"}


def test_latency_is_held_against_the_timeout() -> None:
    assert latency([0.1, 0.1, 0.4], 1).level == "ok"
    assert latency([0.1, 0.1, 0.6], 1).level == "warning"


def test_a_server_that_hangs_up_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):  # the look at the port, and the request
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        found = find(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert faults(found) == {"http": "error"}


def test_no_address_and_no_listener_are_errors() -> None:
    assert faults(find("http://nothing.invalid")) == {"dns": "error"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = find(f"http://127.0.0.1:{port}")
    assert faults(found) == {"tcp": "error"}
    assert "refused" in found["tcp"].text
    assert "container" in found["tcp"].fix


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    names = "subjectAltName=IP:127.0.0.1"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=x",
        "-addext",
        names,
    ]
    subprocess.run([*made, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_a_certificate_is_accepted_with_its_issuer_and_not_without(certificate: Path) -> None:
    with fake(like_hooks, certificate) as url:
        found = find(url)
        assert faults(found) == {"tls": "error"}
        assert "server_ca_pem" in found["tls"].fix
        assert faults(find(url, ca_file=f"{certificate}.crt")) == {}
        other = find(url.replace("127.0.0.1", "localhost"), ca_file=f"{certificate}.crt")
        assert "name" in other["tls"].fix


def test_an_expired_certificate_is_an_error_that_says_so(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, signed, both = tmp_path / "key", tmp_path / "crt", tmp_path / "both.pem"
    (tmp_path / "index").touch()
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = own\n[own]\ndatabase = {tmp_path}/index\nnew_certs_dir = {tmp_path}\n"
        "default_md = sha256\nrand_serial = yes\npolicy = any\nx509_extensions = names\n"
        "[any]\ncommonName = supplied\n[names]\nsubjectAltName = IP:127.0.0.1\n"
    )
    request = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", str(key)]
    subprocess.run([*request, "-out", f"{key}.csr"], check=True, capture_output=True)
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", str(tmp_path / "ca.cnf"), "-keyfile", str(key)]
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"]
    subprocess.run([*sign, *dates, "-in", f"{key}.csr", "-out", str(signed)], check=True, capture_output=True)
    both.write_text(key.read_text() + signed.read_text())
    with fake(like_hooks, both) as url:
        found = find(url, ca_file=str(signed))
    assert faults(found) == {"tls": "error"}
    assert "expired" in found["tls"].text


def test_a_connection_that_is_never_made_is_an_error() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # who fill its queue, so that the next one waits
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        time.sleep(0.1)
        found = find(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.3)
        for one in waiting:
            one.close()
    assert faults(found) == {"tcp": "error"}
    assert "firewall" in found["tcp"].fix


def test_addresses_of_ipv6() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 here")
    port = probe.getsockname()[1]
    probe.close()
    assert "tcp" in faults(find(f"http://[::1]:{port}"))
    with fake(like_hooks, family=socket.AF_INET6) as url:
        assert faults(find(url)) == {}


def test_http_and_https_mixed_up_are_errors_that_say_so(certificate: Path) -> None:
    with fake(like_hooks) as url:
        assert "http://" in find(url.replace("http:", "https:"))["tls"].fix
    with fake(like_hooks, certificate) as url:
        assert "https://" in find(url.replace("https:", "http:"))["http"].fix


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://a:1", "/centrifugo/connect"),
        ("http://a:1/", "/centrifugo/connect"),
        ("http://a/app", "/app/centrifugo/connect"),
        ("http://a/centrifugo/", "/centrifugo/connect"),
        ("http://a/centrifugo/rpc", "/centrifugo/rpc"),
        ("http://a/other/publish", "/other/publish"),
    ],
)
def test_a_url_is_the_root_or_that_of_the_hooks_or_of_one(url: str, path: str) -> None:
    assert backend_url(url).path() == path


@pytest.mark.parametrize("url", ["a:1", "ftp://a", "http://", "http://a:x", "http://me@a", "http://a?b"])
def test_what_is_no_url_of_a_backend_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        backend_url(url)
