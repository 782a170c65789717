"""Blinker signals, like those of Flask."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

hook_finished = _signals.signal("hook-finished")
"""Sent when a hook has answered an event, or has failed.

The sender is the Flask application. Keyword arguments:

- ``event``: its name.
- ``request``: the request message.
- ``reply``: the decision, with ``outcome`` (``result``, ``error``, ``disconnect`` or ``failed``), ``code`` and
  ``hook``, the name of the function. ``None`` if an exception is on its way to Flask's error handlers.

An exception in a receiver is logged. It changes no reply, and the other receivers are called.
"""
