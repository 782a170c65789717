"""Blinker signals, like those of Flask."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

hook_finished = _signals.signal("hook-finished")
"""Sent when the reply to an event is decided, or its hook has failed.

The sender is the Flask application. Arguments:

- ``event``: the name of the event
- ``request``: the message
- ``answer``: the reply, with the attributes ``outcome`` (``result``, ``error``, ``disconnect`` or ``failed``), ``code``
  and ``hook``, the name of the function; ``None`` if an exception is on its way to Flask's error handlers
"""
