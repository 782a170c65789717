"""Each problem that the doctor reports, on a server that has it."""

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

from proxyhooks.centrifugo.doctor.check_result import CheckResult
from proxyhooks.centrifugo.doctor.examination import examine
from proxyhooks.centrifugo.doctor.http_client import parse_backend_url
from proxyhooks.centrifugo.doctor.keepalive_checks import latency_result
from proxyhooks.centrifugo.doctor.options import DoctorOptions
from tests.support.servers import answers, free_port, running_server
from tests.support.waiting import DEFAULT_TIMEOUT

APP = """
from flask import Flask
from proxyhooks import ProxyHooks

app = Flask("app")
hooks = ProxyHooks(app, secrets=["s3cret"])
"""


def examine_url(url: str, secret: str | None = "s3cret", idle: float = 0, **options: Any) -> dict[str, CheckResult]:
    results = list(examine(DoctorOptions(url=parse_backend_url(url), secret=secret, idle=idle, **options)))
    assert all(bool(result.fix) == (result.level != "ok") for result in results)
    return {result.id: result for result in results}


def problems(results: dict[str, CheckResult]) -> dict[str, str]:
    return {id_: result.level for id_, result in results.items() if result.level != "ok"}


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


def answer_like_hooks(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if request.command != "POST":
        return 405, {}, b""
    if request.headers["X-Proxyhooks-Secret"] != "s3cret":
        return 403, {}, b"forbidden"
    return (200, {}, b'{"error":{"code":107}}') if body.startswith(b"[") else (400, {}, b"no message")


def always(status: int, body: bytes = b"", **headers: str) -> Answer:
    return lambda request, _: (status, headers, body)


@pytest.mark.server
def test_the_gunicorn_settings_of_the_package_have_no_problem(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-c", "python:proxyhooks.gunicorn", "-w", "1") as url:
        results = examine_url(url, idle=2.6)
    assert problems(results) == {}
    assert {"path", "wrong-secret", "secret", "reply", "latency", "keep-alive", "idle", "large-headers"} <= set(results)


@pytest.mark.server
def test_gunicorns_default_settings_close_idle_connections_and_refuse_large_headers(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-k", "gthread", "--keep-alive", "1") as url:
        results = examine_url(url, idle=5)
    assert problems(results) == {"idle": "warning", "large-headers": "warning"}
    assert "431" in results["large-headers"].text
    assert "python:proxyhooks.gunicorn" in results["idle"].fix


@pytest.mark.server
def test_the_sync_worker_has_no_keep_alive(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as url:
        assert "keep-alive" in problems(examine_url(url, idle=1))


def test_a_wrong_secret_is_an_error() -> None:
    with fake(answer_like_hooks) as url:
        assert problems(examine_url(url)) == {}
        assert problems(examine_url(url, "other")) == {"secret": "error"}
        assert problems(examine_url(url, None)) == {"secret": "warning"}


def test_hooks_that_do_not_check_the_secret_are_an_error() -> None:
    def ignore_secret(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        request.headers.replace_header("X-Proxyhooks-Secret", "s3cret")
        return answer_like_hooks(request, body)

    with fake(ignore_secret) as url:
        results = examine_url(url)
        assert results["wrong-secret"].level == "error"
        assert "anyone" in results["wrong-secret"].text
        assert examine_url(url, insecure=True)["wrong-secret"].level == "warning"


@pytest.mark.parametrize(
    ("status", "fix"),
    [(404, "--prefix"), (401, "login"), (502, "reverse proxy"), (500, "log"), (200, "endpoint")],
)
def test_a_url_without_hooks_is_an_error(status: int, fix: str) -> None:
    with fake(always(status, b"{}")) as url:
        results = examine_url(url)
    assert problems(results) == {"path": "error"}
    assert fix in results["path"].fix


@pytest.mark.parametrize(
    ("status", "target", "fix"),
    [
        (302, "/login?next=1", "exempt /centrifugo/ from it"),
        (301, "https://example.com/centrifugo/connect", "write https://example.com/centrifugo/connect"),
        (308, "/centrifugo/connect/", "no slash"),
    ],
)
def test_a_redirect_is_an_error_that_names_its_target(status: int, target: str, fix: str) -> None:
    with fake(always(status, Location=target)) as url:
        results = examine_url(url)
    assert problems(results) == {"redirect": "error"}
    assert target in results["redirect"].text
    assert fix in results["redirect"].fix


def test_a_redirect_of_hooks_without_a_prefix_does_not_advise_to_exempt_every_page() -> None:
    with fake(always(302, Location="/login")) as url:
        results = examine_url(f"{url}/connect")
    assert "exempt /connect and the URLs of the other events from it" in results["redirect"].fix


def test_a_rewritten_reply_is_a_warning() -> None:
    def rewrite(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, headers, reply = answer_like_hooks(request, body)
        return status, headers, b"<html>" if status == 200 else reply

    with fake(rewrite) as url:
        assert problems(examine_url(url)) == {"reply": "warning"}


def test_a_server_that_is_slower_than_the_timeout_is_an_error() -> None:
    examined = threading.Event()

    def slow(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        examined.wait(DEFAULT_TIMEOUT)
        return answer_like_hooks(request, body)

    with fake(slow) as url:
        assert problems(examine_url(url, timeout=1)) == {"timeout": "error"}
        examined.set()


def test_latency_is_compared_with_the_timeout() -> None:
    assert latency_result([0.1, 0.1, 0.4], 1).level == "ok"
    assert latency_result([0.1, 0.1, 0.6], 1).level == "warning"


def test_a_server_that_hangs_up_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):  # the check of the port, and the request
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        results = examine_url(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert problems(results) == {"http": "error"}


def test_an_unknown_host_and_a_closed_port_are_errors() -> None:
    assert problems(examine_url("http://nothing.invalid")) == {"dns": "error"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    results = examine_url(f"http://127.0.0.1:{port}")
    assert problems(results) == {"tcp": "error"}
    assert "refused" in results["tcp"].text
    assert "container" in results["tcp"].fix


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
    with fake(answer_like_hooks, certificate) as url:
        results = examine_url(url)
        assert problems(results) == {"tls": "error"}
        assert "server_ca_pem" in results["tls"].fix
        assert problems(examine_url(url, ca_file=f"{certificate}.crt")) == {}
        other = examine_url(url.replace("127.0.0.1", "localhost"), ca_file=f"{certificate}.crt")
        assert "use the name in the certificate" in other["tls"].fix


def test_an_expired_certificate_is_named_in_the_error(tmp_path: Path) -> None:
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
    with fake(answer_like_hooks, both) as url:
        results = examine_url(url, ca_file=str(signed))
    assert problems(results) == {"tls": "error"}
    assert "expired" in results["tls"].text
    assert results["tls"].fix == "renew it"


def test_a_connection_that_times_out_is_an_error() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clients = [socket.socket() for _ in range(4)]  # they fill the queue, so that the next client waits
        for client in clients:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        time.sleep(0.1)
        results = examine_url(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.3)
        for client in clients:
            client.close()
    assert problems(results) == {"tcp": "error"}
    assert "firewall" in results["tcp"].fix


def test_ipv6_addresses() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 here")
    port = probe.getsockname()[1]
    probe.close()
    assert "tcp" in problems(examine_url(f"http://[::1]:{port}"))
    with fake(answer_like_hooks, family=socket.AF_INET6) as url:
        assert problems(examine_url(url)) == {}


def test_http_in_place_of_https_is_named_in_the_error(certificate: Path) -> None:
    with fake(answer_like_hooks) as url:
        assert "http://" in examine_url(url.replace("http:", "https:"))["tls"].fix
    with fake(answer_like_hooks, certificate) as url:
        assert "https://" in examine_url(url.replace("https:", "http:"))["http"].fix


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
def test_a_url_may_be_that_of_the_application_of_the_hooks_or_of_an_event(url: str, path: str) -> None:
    assert parse_backend_url(url).path == path


@pytest.mark.parametrize("url", ["a:1", "ftp://a", "http://", "http://a:x", "http://me@a", "http://a?b"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"http|a port|the port"):
        parse_backend_url(url)
