"""A connection to a backend as Centrifugo makes one: straight, kept open, no redirect followed on the way."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from ..._dispatch.events import EVENTS
from ..._settings.secrets import SECRET_HEADER
from ..._settings.settings import DEFAULT_URL_PREFIX

_MAX_REPLY: Final = 1024 * 1024

Level: TypeAlias = Literal["ok", "warning", "error"]
NOT_A_MESSAGE: Final = b"from the doctor: not a message"
"""What hooks refuse before any function of the application runs."""


@dataclass(frozen=True, slots=True)
class BackendURL:
    """Where hooks are served."""

    scheme: str
    host: str
    port: int
    prefix: str
    """The path of an event's URL without the event."""
    event: str = "connect"
    """Whose URL it was, or the one that most applications have."""

    @property
    def root(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{host}{'' if self.port == usual else f':{self.port}'}"

    def path(self, event: str | None = None) -> str:
        return f"{self.prefix}/{event or self.event}"


def backend_url(url: str, prefix: str = DEFAULT_URL_PREFIX) -> BackendURL:
    """The backend that a URL means: the root of an application, or the URL of its hooks, or that of one event.

    :raises ValueError: if it is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"the URL must begin with http:// or https://, as in http://127.0.0.1:8070, not {url!r}")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"the URL must be a host, a port and a path, as in http://127.0.0.1:8070, not {url!r}")
    path, event = parts.path.rstrip("/"), "connect"
    prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
    head, _, last = path.rpartition("/")
    if last in EVENTS:  # as in Centrifugo's endpoint: nothing is left to guess
        path, event = head, last
    elif not path.endswith(prefix):
        path += prefix
    return BackendURL(parts.scheme, parts.hostname, _port(parts, url), path, event)


def _port(parts: SplitResult, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"the port must be a number up to 65535, in {url!r}") from None
    return port if port is not None else 443 if parts.scheme == "https" else 80


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    status: int
    body: bytes
    headers: dict[str, str]
    """Names in lower case."""
    version: str
    seconds: float
    stays: bool
    """Whether the connection does."""

    @property
    def excerpt(self) -> str:
        text = " ".join(self.body[:400].decode("utf-8", "replace").split())
        return text if len(text) <= 80 else f"{text[:77]}..."


class HTTPConnection:
    """One connection.

    :param timeout: seconds for connecting, and for each reply.
    :raises OSError: if there is no connection, or, as ``ssl.SSLError``, no trust.
    """

    def __init__(
        self, backend: BackendURL, timeout: float, *, address: str | None = None, ca_file: str | None = None
    ) -> None:
        self._backend = backend
        sock = socket.create_connection((address or backend.host, backend.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.certificate: Mapping[str, object] = {}
        if backend.scheme == "https":
            try:
                context = ssl.create_default_context(cafile=ca_file)
                secured = context.wrap_socket(sock, server_hostname=backend.host)
            except BaseException:
                sock.close()
                raise
            self.certificate, sock = secured.getpeercert() or {}, secured
        self._sock = sock
        self._connection = http.client.HTTPConnection(backend.host, backend.port)
        self._connection.auto_open = 0
        self._connection.sock = sock

    def __enter__(self) -> HTTPConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        self._sock.close()

    def ask(
        self,
        path: str,
        body: bytes,
        *,
        secret: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        method: str = "POST",
    ) -> HTTPResponse:
        """Send one request, and read its reply.

        :raises OSError: if the connection breaks, as ``TimeoutError`` if there is no reply in time.
        :raises http.client.HTTPException: if what comes back is not HTTP, or nothing.
        """
        sent = [("User-Agent", "Go-http-client/1.1"), ("Content-Type", "application/json"), *headers]
        if secret is not None and SECRET_HEADER.lower() not in {name.lower() for name, _ in headers}:
            sent.append((SECRET_HEADER, secret))
        started = time.perf_counter()
        connection = self._connection
        root = self._backend.root
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", root.partition("://")[2])
        connection.putheader("Content-Length", str(len(body)))
        for name, value in sent:
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            answered = response.read(_MAX_REPLY)
            stays = not response.will_close and response.isclosed()
        return HTTPResponse(
            response.status,
            answered,
            {name.lower(): value for name, value in response.getheaders()},
            f"HTTP/{response.version // 10}.{response.version % 10}",
            time.perf_counter() - started,
            stays,
        )

    def idle(self, seconds: float) -> float | None:
        """Wait; how long it took until the server closed the connection, ``None`` if it did not."""
        started = time.monotonic()
        timeout = self._sock.gettimeout()
        try:
            self._sock.setblocking(False)
            while (left := started + seconds - time.monotonic()) > 0:
                if select.select([self._sock], [], [], left)[0] and self._ended():
                    return time.monotonic() - started
            return None
        finally:
            self._sock.settimeout(timeout)

    def _ended(self) -> bool:
        try:
            self._sock.recv(1)
        except (ssl.SSLWantReadError, BlockingIOError):  # a session ticket
            return False
        except OSError:
            return True
        return True  # the end, or what nobody asked for


@dataclass(frozen=True, slots=True)
class CheckResult:
    id: str
    """Stable: API, as SemVer has it."""
    level: Level
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    backend: BackendURL
    secret: str | None = field(default=None, repr=False)
    """``None``: it is not known."""
    insecure: bool = False
    """Whether the application says that it needs none."""
    timeout: float = 3.0
    """Seconds: that of Centrifugo's proxy."""
    idle: float = 3.0
    """Seconds that a connection is left alone; 0: not at all."""
    ca_file: str | None = None

    def open(self) -> HTTPConnection:
        return HTTPConnection(self.backend, self.timeout, ca_file=self.ca_file)
