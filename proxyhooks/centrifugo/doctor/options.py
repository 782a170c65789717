"""What the doctor examines, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from .http_client import BackendURL, HTTPConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    url: BackendURL
    secret: str | None = field(default=None, repr=False)
    """``None``: unknown."""
    insecure: bool = False
    """Whether the application runs with ``PROXYHOOKS_INSECURE``."""
    timeout: float = 3.0
    """Seconds; the timeout of Centrifugo's proxy."""
    idle: float = 3.0
    """Seconds without a request, after which a connection must still work; 0: not checked."""
    ca_file: str | None = None
    """PEM file of the issuer to trust; ``None``: those of the system."""

    def connect(self) -> HTTPConnection:
        """Open a connection.

        :raises OSError: if there is no connection; as ``ssl.SSLError`` if the certificate is not accepted.
        """
        return HTTPConnection(self.url, self.timeout, ca_file=self.ca_file)
