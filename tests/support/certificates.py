"""Certificates for tests, made with openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and of its key."""

    pem: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """What the files of deploy/ need for TLS."""

    ca: Certificate
    server: Certificate
    centrifugo: Certificate
    """Of the client whose calls the server in front of the hooks accepts."""
    stranger: Certificate
    """Of a client that another authority knows."""

    def files(self, directory: str, *sites: str) -> dict[str, str]:
        """The files that a configuration names, and those that replace them.

        :param sites: ``site`` and ``hooks``; with ``hooks`` comes the authority of its clients.
        """
        named = {f"{site}.{end}": path for site in sites for end, path in vars(self.server).items()}
        if "hooks" in sites:
            named["centrifugo-ca.pem"] = self.ca.pem
        return {f"{directory}/{name}": str(path) for name, path in named.items()}


def make_certificates(here: Path) -> Certificates:
    ca, other = authority(here, "ca"), authority(here, "other")
    return Certificates(
        ca=ca,
        server=certificate(ca, "server", use="serverAuth"),
        centrifugo=certificate(ca, "centrifugo", use="clientAuth"),
        stranger=certificate(other, "stranger", use="clientAuth"),
    )


def authority(here: Path, name: str) -> Certificate:
    made = Certificate(here / f"{name}.pem", here / f"{name}.key")
    _openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", "-days", "2", "-keyout", made.key, "-out", made.pem)
    return made


def certificate(signed_by: Certificate, name: str, *, use: str, host: str = "localhost") -> Certificate:
    """A certificate beside that of its authority.

    :param use: ``serverAuth`` or ``clientAuth``.
    """
    here = signed_by.pem.parent
    made, request, extensions = Certificate(here / f"{name}.pem", here / f"{name}.key"), here / "request", here / "ext"
    extensions.write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\nextendedKeyUsage={use}\n")
    _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", signed_by.pem, "-CAkey", signed_by.key, "-CAcreateserial",
             "-days", "2", "-extfile", extensions, "-out", made.pem)  # fmt: skip
    return made


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True, timeout=300)
