"""The messages of Centrifugo's proxy protocol, under Centrifugo's names: requests, results and their parts.

All messages are frozen dataclasses with keyword arguments.

A request has a default for every field, because every field may be missing on the wire. Absent and null payloads are
both ``None``. Fields that this version does not know are ignored.

A result checks its values when it is made, except JSON, which is checked when it is written. ``None`` leaves a field
out; :data:`NULL` is JSON null.

``data``, ``info`` and ``stream_data`` are JSON, or ``bytes``, which travel as base64 in Centrifugo's fields
``b64data``, ``b64info`` and ``b64stream_data``. Requests have bytes if the proxy has ``binary_encoding``.

``expire_at`` is an int of Unix seconds, an aware datetime, or a timedelta from now. A timedelta is shortened at random
by up to a tenth when it is written, so that clients that connect together do not refresh together. A result whose
``expire_at`` has passed is sent as the refusal :class:`proxyhooks.errors.Expired`.

Source: Centrifugo's chapter "Proxy events to the backend".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._wire.fields import NULL as NULL
from ._wire.fields import ExpireAt as ExpireAt
from ._wire.requests import *
from ._wire.requests import Request
from ._wire.results import *  # pyright: ignore[reportGeneralTypeIssues]  # NULL, which it imports too
from ._wire.results import Result

if not TYPE_CHECKING:  # type checkers take the imports above for the public names
    _CLASSES = {name for name, value in globals().items() if isinstance(value, type)}
    __all__ = ["NULL", "ExpireAt", *sorted(n for n in _CLASSES if issubclass(globals()[n], (Request, Result)))]
