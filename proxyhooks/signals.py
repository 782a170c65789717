"""Signals, as Flask has them."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

hook_finished = _signals.signal("hook-finished")
"""Sent when the hooks of an event have answered it, or have failed.

The sender is the Flask application. Arguments: ``event``, its name; ``request``, the message; ``answer``, what was
decided (``outcome`` is ``result``, ``error``, ``disconnect`` or ``failed``; ``code``; ``hook``, the name of the
function); ``None`` if an exception is on its way to Flask's error handlers.
"""
