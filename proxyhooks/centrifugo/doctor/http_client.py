"""An HTTP client that keeps connections open, as Centrifugo's does. Unlike that, it follows no redirects."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ..._dispatch.events import EVENTS
from ..._settings.secrets import SECRET_HEADER, hide_secret
from ..._settings.setting import shown_url
from ..._settings.settings import DEFAULT_URL_PREFIX

INVALID_MESSAGE: Final = b"from the doctor: not a message"
"""A body that hooks refuse with 400 after the check of the secret, before any function of the application runs."""
_MAX_REPLY: Final = 1024 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True)
class BackendURL:
    """The URL of the hooks of an application."""

    scheme: str
    host: str
    port: int
    prefix: str
    """The path before the event."""
    event: str = "connect"
    """The event whose URL is requested."""

    @property
    def root(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default_port = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{host}{'' if self.port == default_port else f':{self.port}'}"

    @property
    def path(self) -> str:
        return f"{self.prefix}/{self.event}"


def parse_backend_url(url: str, prefix: str = DEFAULT_URL_PREFIX) -> BackendURL:
    """Parse the URL of an application, of its hooks, or of one event.

    :param prefix: the ``url_prefix``, which the URL of an application lacks.
    :raises ValueError: if the URL is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(
            f"the URL must begin with http:// or https://, as in http://127.0.0.1:8070, not {shown_url(url)}"
        )
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"the URL must be a host, a port and a path, as in http://127.0.0.1:8070, not {shown_url(url)}"
        )
    path, event = parts.path.rstrip("/"), "connect"
    prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
    parent, _, last = path.rpartition("/")
    if last in EVENTS:  # the URL of an event, as in an endpoint: it has its prefix
        path, event = parent, last
    elif not path.endswith(prefix):
        path += prefix
    return BackendURL(parts.scheme, parts.hostname, _port(parts, url), path, event)


def _port(parts: SplitResult, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"the port must be a number up to 65535, in {shown_url(url)}") from None
    return port if port is not None else 443 if parts.scheme == "https" else 80


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    status: int
    body: bytes
    headers: dict[str, str]
    """Names in lower case."""
    version: str
    seconds: float
    """From the request to the end of the reply."""
    keeps_connection: bool

    @property
    def excerpt(self) -> str:
        """The beginning of the body, on one line."""
        text = " ".join(self.body[:400].decode("utf-8", "replace").split())
        return text if len(text) <= 80 else f"{text[:77]}..."


class HTTPConnection:
    """One connection to a backend.

    :param timeout: seconds for the connection, and for each reply.
    :raises OSError: if there is no connection; as ``ssl.SSLError`` if the certificate is not accepted.
    """

    def __init__(self, url: BackendURL, timeout: float, *, ca_file: str | None = None) -> None:
        self._url = url
        sock = socket.create_connection((url.host, url.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.certificate: Mapping[str, object] = {}
        if url.scheme == "https":
            try:
                context = ssl.create_default_context(cafile=ca_file)
                tls_socket = context.wrap_socket(sock, server_hostname=url.host)
            except BaseException:
                sock.close()
                raise
            self.certificate, sock = tls_socket.getpeercert() or {}, tls_socket
        self._socket = sock
        self._connection = http.client.HTTPConnection(url.host, url.port)
        self._connection.auto_open = 0
        self._connection.sock = sock

    def __enter__(self) -> HTTPConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        self._socket.close()

    def request(
        self,
        body: bytes,
        *,
        secret: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        method: str = "POST",
    ) -> HTTPResponse:
        """Send a request to the URL and read the reply.

        :raises OSError: if the connection breaks; as ``TimeoutError`` if there is no reply in time.
        :raises http.client.HTTPException: if the reply is not HTTP, or the connection is closed without one.
        """
        all_headers = [("User-Agent", "Go-http-client/1.1"), ("Content-Type", "application/json"), *headers]
        if secret is not None:
            all_headers.append((SECRET_HEADER, secret))
        started = time.perf_counter()
        connection = self._connection
        connection.putrequest(method, self._url.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self._url.root.partition("://")[2])
        connection.putheader("Content-Length", str(len(body)))
        for name, value in all_headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            reply = hide_secret(response.read(_MAX_REPLY).decode("latin-1"), secret).encode("latin-1")
            keeps_connection = not response.will_close and response.isclosed()
        return HTTPResponse(
            response.status,
            reply,
            {name.lower(): value for name, value in response.getheaders()},
            f"HTTP/{response.version // 10}.{response.version % 10}",
            time.perf_counter() - started,
            keeps_connection,
        )

    def wait_for_close(self, seconds: float) -> float | None:
        """Wait until the server closes the connection; return the seconds until then, ``None`` if it stays open."""
        started = time.monotonic()
        timeout = self._socket.gettimeout()
        try:
            self._socket.setblocking(False)
            while (left := started + seconds - time.monotonic()) > 0:
                if select.select([self._socket], [], [], left)[0] and self._is_closed():
                    return time.monotonic() - started
            return None
        finally:
            self._socket.settimeout(timeout)

    def _is_closed(self) -> bool:
        """Whether a readable socket is at its end, or has data that no request asked for."""
        try:
            self._socket.recv(1)
        except (ssl.SSLWantReadError, BlockingIOError):  # only a TLS session ticket
            return False
        except OSError:
            return True
        return True
