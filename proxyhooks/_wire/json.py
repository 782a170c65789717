"""Strict JSON, in both directions.

orjson does it where it is installed, as long as both would do the same: what it refuses, and what it would read or
write in another way than ``json``, goes to ``json``, which decides.
"""

from __future__ import annotations

import codecs
import json
import marshal
import math
import re
from typing import Any, Final

try:
    import orjson
except ImportError:
    orjson: Any = None  # type: ignore[no-redef]  # it comes with the extra "fast"

MAX_DEPTH: Final = 256
"""Levels of nesting that are read. More is a payload built to break a parser."""


class Malformed(Exception):
    """Not a message of the protocol."""


class TooComplex(Exception):
    """JSON that is legal and built to break a parser: too deep, or with numbers nobody can hold."""


def loads(text: bytes) -> Any:
    """The value of a JSON text.

    :raises Malformed: if it is not JSON in UTF-8.
    :raises TooComplex: if it nests deeper than :data:`MAX_DEPTH` or has a number that Python cannot hold.
    """
    value = None
    if orjson is not None and text.translate(_DIGITS).find(_LONG) < 0:  # "in" would first try a single byte
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = None  # json says why, or takes it
    if value is None:
        value = _loads(text)
    # Most texts are too short or have too few brackets to be deep.
    if len(text) > 2 * MAX_DEPTH and text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, value):
        raise TooComplex(f"it nests deeper than {MAX_DEPTH} levels")
    return value


# orjson makes floats of integers beyond 64 bits. Those have 20 digits at least, or 19 and a sign.
_DIGITS: Final = bytes(ord("0") if byte in b"-0123456789" else 0 for byte in range(256))
_LONG: Final = b"0" * 20


def _loads(text: bytes) -> Any:
    try:
        if text.startswith(codecs.BOM_UTF8):
            raise Malformed("it begins with a BOM")
        return _decode(text.decode())
    except RecursionError:
        raise TooComplex("it nests too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Malformed(str(error)) from None
    except ValueError as error:  # more digits than Python turns into an int
        raise TooComplex(str(error)) from None


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise TooComplex(f"the number {text[:40]} is out of range")
    return value


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def _deeper_than(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels):
        inside = (item.values() if type(item) is dict else item for item in layer)
        layer = [inner for items in inside for inner in items if type(inner) is dict or type(inner) is list]
        if not layer:
            return False
    return True


# As UTF-8 and not escaped: what a client sent goes back no longer than it came.
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_escaped: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def dumps(value: Any, path: str = "the value") -> bytes:
    """The value as strict JSON.

    :raises TypeError: if a part of it is not JSON; the text names the path to it.
    :raises ValueError: if a number is not finite, or the value contains itself or nests too deeply.
    """
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value)
            # orjson writes UUIDs, enums and dataclasses, too, which here are mistakes: marshal takes none of them.
            marshalled = marshal.dumps(value, 2)
        except (orjson.JSONEncodeError, ValueError):
            pass  # json says why, or takes it
        else:
            # It makes null of NaN as well as of None.
            if written.find(b"null") < 0 or _NOT_FINITE.search(marshalled) is None:
                return written
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unwritable(value, path, error) from None
    if not _all_keys_are_text(value):  # the encoder would turn 1 into "1"
        raise _unwritable(value, path, TypeError("a key is no str"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate, which JSON can only carry escaped
        return _encode_escaped(value).encode()


# marshal writes a float as "g" and its eight bytes, from the least significant on; NaN and infinity have all bits of
# the exponent. Whatever else looks like that costs the time of another look.
_NOT_FINITE: Final = re.compile(rb"g.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)


def _all_keys_are_text(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    return False
                if isinstance(inner, (dict, list, tuple)):
                    stack.append(inner)
        elif isinstance(item, (list, tuple)):
            stack.extend(inner for inner in item if isinstance(inner, (dict, list, tuple)))
    return True


def _unwritable(value: Any, path: str, error: Exception) -> Exception:
    """An exception of the same kind that names the place."""
    todo, seen = [(path, value)], 0
    while todo and seen < 100_000:  # a value that contains itself has no end
        path, item = todo.pop()
        seen += 1
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    return TypeError(f"{path} has the key {key!r}: JSON keys are str")
                todo.append((f"{path}[{key!r}]", inner) if len(path) < 200 else (path, inner))
        elif isinstance(item, (list, tuple)):
            todo.extend((f"{path}[{n}]" if len(path) < 200 else path, inner) for n, inner in enumerate(item))
        elif isinstance(item, float) and not math.isfinite(item):
            return ValueError(f"{path} is {item!r}: JSON has no such number")
        elif isinstance(item, bytes):
            return TypeError(f"{path} is bytes, which JSON cannot carry: decode them, or give bytes as the whole field")
        elif item is not None and not isinstance(item, (str, int, float)):
            return TypeError(f"{path} is {item!r} ({type(item).__name__}), which JSON cannot carry")
    if isinstance(error, RecursionError):
        return ValueError(f"{path[:200]} nests too deeply")
    return type(error)(f"{path[:200]} cannot be written as JSON: {error}")
