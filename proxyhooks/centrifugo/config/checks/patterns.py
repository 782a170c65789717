"""Checks of channels with a meaning of their own: hooks that Centrifugo does not ask about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...._dispatch.patterns import ChannelPattern
from ..channels import Channels
from ..findings import Finding
from ..unreachable import unreachable
from .context import Context
from .options import namespaces_in


def never_asked(context: Context) -> Iterator[Finding]:
    channels = Channels(context.config)
    for hook in context.backend.served:
        if hook.pattern is None:
            continue
        problem = unreachable(hook.event, ChannelPattern(hook.pattern), channels)
        if problem is not None:
            text = f"{hook.event.name} hook {hook.source_location} for {hook.pattern!r} is never called: {problem.why}"
            yield Finding(id="PH033", path=hook.event.section, text=text, fix=problem.fix)


def not_asked_about_user_channels(context: Context) -> Iterator[Finding]:
    channels = Channels(context.config)
    served = {context.namespace_of(hook) for hook in context.backend.served if hook.event.name == "subscribe"}
    for options in namespaces_in(context.root, "channel"):
        is_served = options.name in served or None in served
        if is_served and options.is_on("subscribe_proxy_enabled") and options.is_on("allow_user_limited_channels"):
            text = (
                f"the subscribe hooks are not called for channels with {channels.user_boundary}: Centrifugo lets in "
                "the users whose ids are behind it, and nobody else"
            )
            fix = '"allow_user_limited_channels": false, unless that is what you want'
            yield Finding(id="PH034", path=options.path_of("allow_user_limited_channels"), text=text, fix=fix)


CHANNEL_CHECKS: Final = (never_asked, not_asked_about_user_channels)
