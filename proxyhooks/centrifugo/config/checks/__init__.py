"""Checks a configuration of Centrifugo against the hooks of an application.

Each check is a function that yields a finding for each place that has its problem. The tuple at the end of its module
lists it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backend import Backend
from ..findings import Finding
from ..tree import Config
from .consequences import without_consequences
from .context import Context
from .namespaces import HOOK_CHECKS, SWITCH_CHECKS
from .origins import ORIGIN_CHECKS
from .patterns import CHANNEL_CHECKS
from .proxies import ENDPOINT_CHECKS, PROXY_CHECKS
from .refusals import refused_by_centrifugo
from .restart import needs_restart
from .server import SERVER_CHECKS
from .timeouts import TIMEOUT_CHECKS

__all__ = ["check", "needs_restart", "refused_by_centrifugo", "without_consequences"]


def check(
    config: Config,
    backend: Backend,
    *,
    environ: Mapping[str, str],
    base_url: str | None = None,
    server_timeout: float | None = None,
) -> list[Finding]:
    """Return the findings about a configuration, besides those from reading it.

    :param config: the typed tree of a reading.
    :param environ: the environment of Centrifugo, for the variables in static headers.
    :param base_url: the root of the application, as Centrifugo reaches it.
    :param server_timeout: seconds after which the application's server ends a call; ``None``: it ends none.
    """
    context = Context(config, backend, environ, base_url, server_timeout)
    findings = refused_by_centrifugo(config)
    for check_server in (*ORIGIN_CHECKS, *SERVER_CHECKS):
        findings += check_server(context)
    for proxy in context.proxies:
        for check_endpoint in ENDPOINT_CHECKS:
            findings += check_endpoint(context, proxy)
        if proxy.url is not None or proxy.has_unknown_url:
            for check_proxy in (*PROXY_CHECKS, *TIMEOUT_CHECKS):
                findings += check_proxy(context, proxy)
    for switch in context.switches:
        for check_switch in SWITCH_CHECKS:
            findings += check_switch(context, switch)
    for check_hooks in (*HOOK_CHECKS, *CHANNEL_CHECKS):
        findings += check_hooks(context)
    return findings
