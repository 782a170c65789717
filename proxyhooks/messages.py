"""The messages of Centrifugo's proxy protocol, named as there: what it asks, and what a hook may answer.

All are frozen dataclasses with keyword arguments. In a **result** ``None`` means that a field is left out; JSON null
is written as :data:`NULL`. A value that Centrifugo could not read is refused when the result is made; JSON is checked
when it is written. In a **request** every field may be missing on the wire and has a default here; absent and null
both arrive as ``None``; fields this version does not know are ignored.

``data``, ``info`` and ``stream_data`` are one field each for what Centrifugo splits in two: JSON, or ``bytes``, which
travel as base64 (``b64data``). Requests bring bytes when the proxy has ``binary_encoding``.

``expire_at`` takes Unix seconds, an aware datetime, or a timedelta from now; a timedelta is shortened at random by up
to a tenth when it is written, so that what connected together does not refresh together. A moment that has passed
makes the reply a refusal, :class:`proxyhooks.errors.Expired`.

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
