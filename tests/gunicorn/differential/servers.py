"""The configurations of gunicorn that are compared, and servers that have them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.gunicorn.differential.exchange import Address
from tests.gunicorn.differential.generator import Profile
from tests.support.servers import free_port, running_server, server_environment

GTHREAD = "gthread"
WORKER = "proxyhooks.gunicorn.worker.Worker"


@dataclass(frozen=True)
class Configuration:
    """Settings of gunicorn, and what the cases for them are aimed at."""

    name: str
    settings: dict[str, Any]
    """See :mod:`tests.gunicorn.differential.gunicorn_conf`."""
    profile: Profile = field(default_factory=Profile)
    unix: bool = False
    """Whether the server listens on a Unix socket."""
    tls: bool = False
    at_once: int = 96
    """Cases that run at once. Where a record does not have the client's address, they run one by one."""
    repeatable: bool = True
    """Whether a case gets the same answer when it is repeated."""
    needs: str | None = None
    """A module or a program without which the server does not start."""

    def missing(self) -> str | None:
        """Return what is not installed although the configuration needs it."""
        if self.needs is None or importlib.util.find_spec(self.needs) or shutil.which(self.needs):
            return None
        return self.needs


ALL_ATOMS = " ".join(f"%({atom})s" for atom in [*"hlutrsmUqHbBfaTDMLp", "{host}i", "{content-type}o", "{wsgi.input}e"])
TRUSTING = {"forwarded_allow_ips": "127.1.0.0/16", "accesslog": os.devnull, "access_log_format": ALL_ATOMS}
"""For clients with the addresses of trusted cases."""

_OBSERVED = (
    Configuration("bare", {"without_hooks": True}),
    Configuration("hooks and logs", TRUSTING),
    Configuration("package", {"with_package": True, "accesslog": os.devnull}, Profile(fields=200, field_size=65_536)),
    Configuration(
        "small limits",
        TRUSTING | {"limit_request_line": 200, "limit_request_fields": 8, "limit_request_field_size": 100},
        Profile(line=200, fields=8, field_size=100),
    ),
    Configuration(
        "no limits",
        TRUSTING | {"limit_request_line": 0, "limit_request_fields": 0, "limit_request_field_size": 0},
        Profile(line=9000, fields=300),
    ),
    Configuration(
        "forwarder headers",
        TRUSTING
        | {
            "forwarder_headers": "SCRIPT_NAME,PATH_INFO,REMOTE_USER,X_UNDERSCORE",
            "secure_scheme_headers": {"X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
        },
    ),
    Configuration("all trusted", TRUSTING | {"forwarded_allow_ips": "*", "forwarder_headers": "*"}),
    Configuration("headers refused", TRUSTING | {"header_map": "refuse"}),
    Configuration("headers dangerous", TRUSTING | {"header_map": "dangerous"}),
    Configuration(
        "permissive",
        TRUSTING
        | {
            "permit_unconventional_http_method": True,
            "permit_unconventional_http_version": True,
            "casefold_http_method": True,
        },
    ),
    Configuration("spaces and folding", TRUSTING | {"permit_obsolete_folding": True, "strip_header_spaces": True}),
    Configuration("script name", TRUSTING | {"raw_environ": {"SCRIPT_NAME": "/centrifugo"}}),
    Configuration("no keep-alive", TRUSTING | {"keepalive": 0}),
    Configuration("no sendfile", TRUSTING | {"sendfile": False}),
    Configuration(
        "proxy v1",
        TRUSTING | {"proxy_protocol": "v1", "proxy_allow_ips": "127.1.0.0/16"},
        Profile(proxy_protocol=True),
        at_once=1,
    ),
    Configuration(
        "proxy auto",
        TRUSTING | {"proxy_protocol": "auto", "proxy_allow_ips": "127.1.0.0/16"},
        Profile(proxy_protocol=True),
        at_once=1,
    ),
    Configuration(
        "HTTP/2", TRUSTING | {"http2_cleartext": "both", "http_protocols": "h2,h1"}, Profile(http2=True), needs="h2"
    ),
    Configuration("Unix socket", TRUSTING, unix=True, at_once=1),
    Configuration("TLS", TRUSTING, tls=True, needs="openssl"),
    Configuration(
        "max requests", TRUSTING | {"max_requests": 20}, Profile(only_valid=True), at_once=1, repeatable=False
    ),
)


def _unobserved(configuration: Configuration) -> Configuration:
    """Return the configuration without server hooks for requests and without an access log.

    Then the package's worker parses usual requests in its own way.
    """
    settings = configuration.settings | {"accesslog": None, "without_hooks": True}
    return replace(configuration, name=f"{configuration.name}, unobserved", settings=settings)


_ALSO_UNOBSERVED = ("package", "small limits", "forwarder headers", "all trusted", "no keep-alive", "max requests")
CONFIGURATIONS = {configuration.name: configuration for configuration in _OBSERVED} | {
    configuration.name: configuration
    for configuration in (_unobserved(one) for one in _OBSERVED if one.name in _ALSO_UNOBSERVED)
}


@dataclass(frozen=True)
class Server:
    """A running gunicorn with one worker."""

    name: str
    configuration: Configuration
    address: Address
    records: Path
    """The file with what the server has recorded."""
    log: Path
    tls: ssl.SSLContext | None


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate, and return the files of its key and of itself."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    if not certificate.exists():
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        subprocess.run(
            [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=300
        )
    return key, certificate


def accepts(address: Address) -> bool:
    """Whether a server listens there."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        probe.settimeout(5)
        return probe.connect_ex(address) == 0


@contextmanager
def serving(
    configuration: Configuration,
    directory: Path,
    *,
    worker_class: str = GTHREAD,
    parser: str = "python",
    **settings: Any,
) -> Iterator[Server]:
    """A server that has the configuration.

    :param directory: for the log and the records.
    :param parser: the value of gunicorn's ``http_parser``.
    :param settings: more settings, which the other servers do not have.
    """
    name = f"{worker_class.rpartition('.')[2]} {parser}"
    number = len(list(directory.glob("*.log")))
    records, log = directory / f"{number}.records", directory / f"{number}.log"
    port = "" if configuration.unix else str(free_port())
    address: Address = str(directory / f"{number}.sock") if configuration.unix else ("127.0.0.1", int(port))
    options = configuration.settings | {"worker_class": worker_class, "http_parser": parser} | settings
    tls = None
    if configuration.tls:
        key, certificate = make_certificate(directory)
        options |= {"keyfile": str(key), "certfile": str(certificate)}
        tls = ssl.create_default_context(cafile=str(certificate))
        tls.check_hostname = False
    command = [sys.executable, "-m", "gunicorn", "-c", "python:tests.gunicorn.differential.gunicorn_conf"]
    command += ["--no-control-socket", "-b", f"unix:{address}" if configuration.unix else f"127.0.0.1:{port}"]
    command += ["tests.gunicorn.differential.app:app"]
    environment = server_environment(
        DIFFERENTIAL_SETTINGS=json.dumps(options), RECORD_TO=str(records), RECORD_OWN=port or str(address)
    )
    with running_server(command, log, is_ready=lambda: accepts(address), env=environment):
        yield Server(name, configuration, address, records, log, tls)
