"""The headers of a client that Centrifugo forwards to the application."""

from __future__ import annotations

from collections.abc import Mapping

from flask.testing import FlaskClient

from .._flask.extension import ProxyHooks


class ClientHeaders:
    """The headers of a client.

    :param cookies_from: a test client of Flask whose cookies are sent too.
    :param hooks: they declare which headers are forwarded; None: all are.
    :raises ValueError: if a header is not declared.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        emulated_headers: Mapping[str, str],
        cookies: Mapping[str, str],
        cookies_from: FlaskClient | None,
        hooks: ProxyHooks | None,
    ) -> None:
        self._declared = None if hooks is None else hooks.http_headers
        self._fixed_cookies, self._cookies_from = dict(cookies), cookies_from
        emulated = None if hooks is None else hooks.emulated_headers
        self._headers = _forwarded(headers, self._declared, "http_headers")
        self._headers |= _forwarded(emulated_headers, emulated, "emulated_headers")

    def at_connect(self) -> dict[str, str]:
        """The headers of a connection that starts now, with the present cookies.

        :raises ValueError: if the hooks do not declare ``Cookie``.
        """
        cookies = dict(self._fixed_cookies)
        if (client := self._cookies_from) is not None:
            # Werkzeug's public method returns a cookie by its name only, and the names are unknown here.
            cookies |= {cookie.key: cookie.value for cookie in (client._cookies or {}).values()}
        if not cookies:
            return dict(self._headers)
        cookie_header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return self._headers | _forwarded({"Cookie": cookie_header}, self._declared, "http_headers")


def _forwarded(headers: Mapping[str, str], declared: tuple[str, ...] | None, parameter: str) -> dict[str, str]:
    """Return the headers if Centrifugo forwards them all.

    :param declared: the names that the hooks declare; None if every header is forwarded.
    :param parameter: the parameter of ``ProxyHooks`` that declares them, for the message.
    :raises ValueError: if a header is not declared.
    """
    for name in headers:
        if declared is not None and name.lower() not in {header.lower() for header in declared}:
            raise ValueError(
                f"Centrifugo would not forward {name}, which the hooks do not declare: "
                f"ProxyHooks({parameter}={[*declared, name]!r})"
            )
    return dict(headers)
