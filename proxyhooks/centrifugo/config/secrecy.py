"""Keeps secrets out of findings, wherever they stand."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from .findings import Finding
from .keys import VARIABLE_PREFIX
from .tree import Config

HIDDEN: Final = "***"
_SECRET_KEY: Final = re.compile(
    r"secret|password|(?:token|dsn|authorization|cookie|connection_string|credentials_value|key_pem"
    r"|(?<!client_)(?<!public_)(?<!idempotency[-_])key)$",
    re.IGNORECASE,
)
"""What is in, or at the end of, the name of a key, a header or a variable that has a secret."""
_MIN_LENGTH: Final = 4
"""A shorter text protects nothing, and would be found in many words."""
_REFERENCE: Final = re.compile(r"\$\{\w+\}")
_USER_OF_URL: Final = re.compile(r"(?<=://)[^\s\"]*@")
"""A password may contain any character, also those that a URL does not allow there."""


def hider(config: Config, environ: Mapping[str, str], secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that hides the secrets of the application, the configuration and the environment in a text.

    :param config: the typed tree; empty if there is none yet.
    :param secrets: those that the application accepts.
    """
    known = {*secrets, *_secrets_in(config, ""), *_secrets_in(dict(environ), VARIABLE_PREFIX)}
    # A reference to a variable is no secret, and fixes contain it.
    known = {secret for secret in known if not _REFERENCE.fullmatch(secret)}
    # A secret may contain another one.
    longest_first = sorted((secret for secret in known if len(secret) >= _MIN_LENGTH), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in longest_first:
            text = text.replace(secret, HIDDEN).replace(repr(secret)[1:-1], HIDDEN)
        return _USER_OF_URL.sub(f"{HIDDEN}@", text)

    return hide


def hide_secrets(
    findings: Iterable[Finding], config: Config, environ: Mapping[str, str], secrets: Iterable[str]
) -> list[Finding]:
    """Return the findings without secrets; the other arguments are those of :func:`hider`."""
    hide = hider(config, environ, secrets)
    return [
        dataclasses.replace(finding, text=hide(finding.text), fix=hide(finding.fix), path=hide(finding.path))
        for finding in findings
    ]


def names_secret(name: str) -> bool:
    """Whether a key, a header or a variable with this name has a secret."""
    return _SECRET_KEY.search(name) is not None


def _secrets_in(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """The texts whose name is one of a secret."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _secrets_in(value, "")
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Mapping):
                    yield from _secrets_in(item, "")
        elif isinstance(value, str) and name.startswith(prefix) and names_secret(name):
            yield value
