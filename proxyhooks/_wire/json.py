"""Strict JSON, read and written.

orjson is used if it is installed, and only where it does the same as ``json``. What orjson refuses, or would read or
write differently, goes to ``json``, which decides.
"""

from __future__ import annotations

import codecs
import json
import marshal
import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

try:
    import orjson
except ImportError:
    orjson: Any = None  # type: ignore[no-redef]  # comes with the extra "fast"

MAX_DEPTH: Final = 256
"""Levels of nesting that are read."""
_MAX_PATH: Final = 200
"""Characters, after which the path in an error text is not extended."""
_MAX_VISITED: Final = 100_000
"""Parts of a value that are searched for the one that cannot be written."""


class Malformed(Exception):
    """The bytes are not JSON, or not a message of Centrifugo's proxy protocol."""


class TooComplex(Exception):
    """The JSON is valid, but nests too deeply or has a number that Python cannot hold."""


def loads(text: bytes) -> Any:
    """Read JSON.

    :raises Malformed: if it is not JSON in UTF-8.
    :raises TooComplex: if it nests deeper than :data:`MAX_DEPTH`, or has a number that Python cannot hold.
    """
    value = None
    # "in" would first search for the first byte alone, which is slower here than find().
    if orjson is not None and text.translate(_DIGITS_TO_ZERO).find(_LONG_INTEGER) < 0:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = None  # json accepts it, or explains
    if value is None:
        value = _loads(text)
    # Most texts are too short, or have too few brackets, to nest deeply.
    if (
        len(text) > 2 * MAX_DEPTH
        and (opened := text.count(b"[") + text.count(b"{")) > MAX_DEPTH
        and not (text.count(b'"') < opened and _is_flat(text))
        and _deeper_than(MAX_DEPTH, value)
    ):
        raise TooComplex(f"it nests deeper than {MAX_DEPTH} levels")
    return value


# orjson reads integers beyond 64 bits as floats. They have at least 20 digits, or 19 digits and a sign.
_DIGITS_TO_ZERO: Final = bytes(ord("0") if byte in b"-0123456789" else 0 for byte in range(256))
_LONG_INTEGER: Final = b"0" * 20


def _loads(text: bytes) -> Any:
    try:
        if text.startswith(codecs.BOM_UTF8):
            raise Malformed("it starts with a byte order mark")
        return _decode(text.decode())
    except RecursionError:
        raise TooComplex("it nests too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Malformed(str(error)) from None
    except ValueError as error:  # an integer with more digits than Python converts
        raise TooComplex(str(error)) from None


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise TooComplex("a number is beyond those that Python holds")
    return value


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_float).decode


_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_PASSES: Final = 8


def _is_flat(text: bytes) -> bool:
    """Whether valid JSON surely nests no deeper than :data:`MAX_DEPTH`.

    Where texts are few, this is ten times as fast as a walk through many small objects, which clients may send.
    """
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    for _ in range(_PASSES):  # each pass removes one or two levels, the innermost ones
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return 2 * _PASSES + len(brackets) // 2 <= MAX_DEPTH


def _deeper_than(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels):
        children = (item.values() if type(item) is dict else item for item in layer)
        layer = [child for items in children for child in items if type(child) is dict or type(child) is list]
        if not layer:
            return False
    return True


JsonDefault: TypeAlias = Callable[[Any], Any]
"""Returns what is written in place of a value that is not JSON; raises a TypeError for one that cannot be written."""


def _encoder(default: JsonDefault | None = None) -> Callable[[Any], str]:
    # As UTF-8 and not escaped, so that a client's data comes back no longer than it was.
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default).encode


_encode: Final = _encoder()


def dumps(value: Any, path: str = "the value", default: JsonDefault | None = None) -> bytes:
    """Write a value as JSON; *path* is how error texts call the value.

    :param default: converts the parts that are not JSON; by default there must be none.
    :raises TypeError: if a part of it is not JSON; the text has the path of the part.
    :raises ValueError: if a number is not finite, or the value contains itself or nests too deeply.
    """
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value)
            # orjson also writes UUIDs, enums and dataclasses, which are mistakes here; marshal refuses them.
            marshalled = marshal.dumps(value, 4)
        except (orjson.JSONEncodeError, ValueError):
            pass  # json accepts it, or explains
        else:
            # orjson writes NaN and infinity as null, like None.
            if written.find(b"null") < 0 or _NOT_FINITE.search(marshalled) is None:
                return written
    encode = _encode
    try:
        try:
            text = encode(value)
        except TypeError:
            if default is None:
                raise
            encode = _encoder(_with_str_keys(default))
            text = encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _explain(value, path, error, default) from None
    if not _has_only_str_keys(value):  # json would write the key 1 as "1"
        raise _explain(value, path, TypeError("a key is not a str"), default)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry only escaped
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _with_str_keys(default: JsonDefault) -> JsonDefault:
    """The same function, which also refuses what it has converted to a dict with other keys."""

    def convert(value: Any) -> Any:
        converted = default(value)
        if not _has_only_str_keys(converted):
            raise TypeError("a key is not a str")
        return converted

    return convert


# marshal writes a float as "g", with the highest bit set if more than one object refers to the float, and its eight
# bytes, the least significant first. In NaN and infinity all bits of the exponent are set. Other data that matches by
# chance costs only the time of the slower way.
_NOT_FINITE: Final = re.compile(rb"[g\xe7].{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)


_REMEDIES: Final = {
    "Decimal": "str(...), or float(...); in a marshmallow schema Decimal(as_string=True)",
    "UUID": "str(...)",
    "date": "its isoformat()",
    "datetime": "its isoformat()",
    "frozenset": "list(...)",
    "generator": "list(...)",
    "set": "list(...)",
}
"""By class name: how a value is written as JSON."""


def _has_only_str_keys(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, child in item.items():
                if not isinstance(key, str):
                    return False
                if isinstance(child, (dict, list, tuple)):
                    stack.append(child)
        elif isinstance(item, (list, tuple)):
            stack.extend(child for child in item if isinstance(child, (dict, list, tuple)))
    return True


def _explain(value: Any, path: str, error: Exception, default: JsonDefault | None) -> Exception:
    """An exception of the same type as *error* that has the path of the part that cannot be written."""
    todo, visited = [(path, value)], 0
    while todo and visited < _MAX_VISITED:  # a value that contains itself has no end
        path, item = todo.pop()
        visited += 1
        can_extend = len(path) < _MAX_PATH
        if isinstance(item, dict):
            for key, child in item.items():
                if not isinstance(key, str):
                    return TypeError(f"{path} has the key {key!r}: JSON keys must be str")
                todo.append((f"{path}[{key!r}]" if can_extend else path, child))
        elif isinstance(item, (list, tuple)):
            todo.extend((f"{path}[{index}]" if can_extend else path, child) for index, child in enumerate(item))
        elif isinstance(item, float) and not math.isfinite(item):
            return ValueError(f"{path} is {item!r}: JSON has no such number")
        elif item is not None and not isinstance(item, (str, int, float)):
            if default is None:
                return _not_json(path, item)
            try:
                todo.append((path, default(item)))
            except Exception:
                return _not_json(path, item)
    if isinstance(error, RecursionError):
        return ValueError(f"{path[:_MAX_PATH]} nests too deeply")
    return type(error)(f"{path[:_MAX_PATH]} cannot be written as JSON: {error}")


def _not_json(path: str, value: Any) -> TypeError:
    if isinstance(value, bytes):
        return TypeError(f"{path} is bytes, which JSON cannot carry: decode them, or give bytes as the whole field")
    name = type(value).__name__
    remedy = f": write {_REMEDIES[name]}" if name in _REMEDIES else ""
    return TypeError(f"{path} is of type {name}, which JSON cannot carry{remedy}")
