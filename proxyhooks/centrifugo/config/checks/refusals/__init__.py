"""What Centrifugo's own validation refuses, so that it does not start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ...findings import Finding
from ...tree import Config
from ..options import Options, namespaces_in
from .conflicts import NAMESPACE_CONFLICTS
from .consumers import CONSUMER_CHECKS
from .item_names import NAME_CHECKS
from .maps import MAP_CHECKS
from .references import REFERENCE_CHECKS
from .server_options import SERVER_OPTION_CHECKS
from .transforms import TRANSFORM_CHECKS
from .words import WORD_CHECKS

RefusalCheck: TypeAlias = Callable[[Options], Iterator[Finding]]

_CHECKS: Final[tuple[RefusalCheck, ...]] = (
    *NAME_CHECKS,
    *REFERENCE_CHECKS,
    *WORD_CHECKS,
    *TRANSFORM_CHECKS,
    *CONSUMER_CHECKS,
    *SERVER_OPTION_CHECKS,
)


def refused_by_centrifugo(config: Config) -> list[Finding]:
    """Return a finding for each option that Centrifugo refuses, whatever the application is."""
    root = Options(config)
    findings = [finding for check in _CHECKS for finding in check(root)]
    for namespace in namespaces_in(root, "channel"):
        findings += refused_in_namespace(root, namespace)
    return list(dict.fromkeys(findings))


def refused_in_namespace(root: Options, namespace: Options) -> list[Finding]:
    """Return a finding for each option of a namespace of channels that Centrifugo refuses next to the others."""
    return [finding for check in (*NAMESPACE_CONFLICTS, *MAP_CHECKS) for finding in check(root, namespace)]
