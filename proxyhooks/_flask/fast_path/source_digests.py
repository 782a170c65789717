"""Digests of the functions of Flask, Werkzeug and marshmallow that the fast path replaces or leaves out.

The fast path was written from the source of these functions. The digest of an installed function tells whether its
source is one of those, whatever the version number of its package is. ``python -m tests.support.source_digests`` prints
the digests of the installed releases.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import pkgutil
import textwrap
import types
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Digests: TypeAlias = Mapping[str, Mapping[str, str]]
"""By ``module:qualified name`` of a function: its known digests, each with the releases that have it."""

DISPATCHING: Final[Digests] = {
    "flask.app:Flask.wsgi_app": {"d050b4712ebd": "3.1.0 to 3.1.3"},
    "flask.app:Flask.full_dispatch_request": {"7d2c03758eed": "3.1.0 to 3.1.3"},
    "flask.app:Flask.preprocess_request": {"b8295078bc64": "3.1.0 to 3.1.3"},
    "flask.app:Flask.dispatch_request": {"f17567eed78b": "3.1.0 to 3.1.3"},
    "flask.app:Flask.ensure_sync": {"fa8cdf8ef621": "3.1.0 to 3.1.3"},
    "flask.app:Flask.make_response": {"9f63c3b4ff7a": "3.1.0 to 3.1.3"},
    "flask.app:Flask.finalize_request": {"99ac3dfb6e12": "3.1.0 to 3.1.3"},
    "flask.app:Flask.process_response": {"8d7fa9758073": "3.1.0 to 3.1.2", "ce2fe3823ee1": "3.1.3"},
    "flask.sessions:SessionInterface.is_null_session": {"644cfe136f6b": "3.1.0 to 3.1.3"},
    "flask.sessions:SessionInterface.should_set_cookie": {"c43c314f37c0": "3.1.0 to 3.1.3"},
    "flask.sessions:SecureCookieSession.__init__": {"3d66a9768f26": "3.1.0 to 3.1.2", "6642352ebc43": "3.1.3"},
    "flask.sessions:SecureCookieSessionInterface.open_session": {"afaae079c262": "3.1.0 to 3.1.3"},
    "flask.sessions:SecureCookieSessionInterface.save_session": {"cc7e556b1c86": "3.1.0 to 3.1.3"},
}
"""Replaced or left out at every level of the fast path."""

CONTEXTS: Final[Digests] = {
    "flask.app:Flask.request_context": {"497d7ae38d50": "3.1.0 to 3.1.3"},
    "flask.app:Flask.app_context": {"c5ff9efa9b4e": "3.1.0 to 3.1.3"},
    "flask.app:Flask.create_url_adapter": {"b971c4994aaa": "3.1.0 to 3.1.3"},
    "flask.app:Flask.do_teardown_request": {"543b200377c6": "3.1.0 to 3.1.3"},
    "flask.app:Flask.do_teardown_appcontext": {"a8cb7891e644": "3.1.0 to 3.1.3"},
    "flask.ctx:RequestContext.__init__": {"cf76bcaf272a": "3.1.0 to 3.1.2", "8fbd69335dc9": "3.1.3"},
    "flask.ctx:RequestContext.copy": {"cebd98cc0edc": "3.1.0 to 3.1.2", "5a13033e87f7": "3.1.3"},
    "flask.ctx:RequestContext.match_request": {"336abd5cbd72": "3.1.0 to 3.1.3"},
    "flask.ctx:RequestContext.push": {"241d47ff4e15": "3.1.0 to 3.1.2", "c4d32d58b618": "3.1.3"},
    "flask.ctx:RequestContext.pop": {"724966551763": "3.1.0 to 3.1.3"},
    "flask.ctx:AppContext.__init__": {"9337fa31546f": "3.1.0 to 3.1.3"},
    "flask.ctx:AppContext.push": {"b61987ba3888": "3.1.0 to 3.1.3"},
    "flask.ctx:AppContext.pop": {"101facb13aa0": "3.1.0 to 3.1.3"},
    "werkzeug.wsgi:get_host": {"511fae69bf83": "3.1.0 to 3.1.9"},
    "werkzeug.routing.map:Map.bind_to_environ": {"de2d436fa9f8": "3.1.0 to 3.1.8", "9544189000a2": "3.1.9"},
}
"""Replaced or left out by :class:`.lazy_context.LazyRequestContext`, or where :class:`.wsgi.FastPath` reuses a rule."""

SCHEMAS: Final[Digests] = {
    "marshmallow.schema:Schema.load": {"0fd4bc441643": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema._do_load": {"11bd862e4a9e": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema._deserialize": {
        "50b64f57d987": "4.0.0 to 4.2.2",
        "6fef8bf397c3": "4.2.3 to 4.3.0",
        "641a657edef8": "4.3.1 to 4.4.0",
    },
    "marshmallow.schema:Schema._call_and_store": {"c40b300a813d": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema._invoke_field_validators": {"eba0b1a07722": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema.dump": {"d4ce1384f628": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema._serialize": {"7424891cb899": "4.0.0 to 4.4.0"},
    "marshmallow.schema:Schema.get_attribute": {"a823b5a17e2a": "4.0.0 to 4.4.0"},
    "marshmallow.utils:get_value": {"0dd444ee0f2a": "4.0.0 to 4.3.1", "5c140883653d": "4.4.0"},
    "marshmallow.utils:_get_value_for_key": {"e8a7b4e0a794": "4.0.0 to 4.4.0"},
    "marshmallow.utils:set_value": {"97bf75b66b83": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field.deserialize": {"0e008848dfa3": "4.0.0 to 4.2.4", "60f56767f9a1": "4.3.0 to 4.4.0"},
    "marshmallow.fields:Field.serialize": {"fdb9a695c58c": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field.get_value": {"bd6e9ebbf4f3": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field._validate": {"693b83efb9ee": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field._validate_missing": {"0094ee866563": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field._deserialize": {"3701b43b43b9": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Field._serialize": {"00a4c03590b7": "4.0.0 to 4.4.0"},
    "marshmallow.fields:String._deserialize": {"e3db555f10c6": "4.0.0 to 4.4.0"},
    "marshmallow.fields:String._serialize": {"18b59ab843fd": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Number._deserialize": {"0b360a1bdbad": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Number._validated": {"d7678f719c65": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Number._format_num": {"066aab484336": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Number._serialize": {"90a25ce88434": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Integer._validated": {"d474f0d6854c": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Float._validated": {"704321f78d68": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Boolean._deserialize": {"40925cf683c8": "4.0.0 to 4.4.0"},
    "marshmallow.fields:List._deserialize": {"61753e12fb3e": "4.0.0 to 4.4.0"},
    "marshmallow.fields:List._serialize": {"63d3c21fade0": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Mapping._deserialize": {"89bf56e06962": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Nested._deserialize": {"71b809d956d3": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Nested._load": {"67b3881d249c": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Nested._test_collection": {"170acab8ac10": "4.0.0 to 4.4.0"},
    "marshmallow.fields:Nested._serialize": {"820f0dcfd825": "4.0.0 to 4.4.0"},
}
"""Replaced by compiled schemas."""

# Parts of a syntax tree that do not change what a function does.
_IGNORED_FIELDS: Final = ("annotation", "returns", "type_params", "type_comment", "kind")


def digest(function: object) -> str | None:
    """Return the digest of the function's source; ``None`` if there is no source, or if something wraps the function.

    Comments, docstrings, annotations and formatting do not change it, and neither does the version of Python.
    """
    # Not isinstance(), for which a tool's wrapper can pretend to be a function.
    if type(function) is not types.FunctionType or hasattr(function, "__wrapped__"):
        return None
    return _digest(function)


@functools.cache
def _digest(function: types.FunctionType) -> str | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return None
    return hashlib.sha256(_canonical(tree).encode()).hexdigest()[:12]


def _canonical(node: Any) -> str:
    """Write a syntax tree as text. Unlike ``ast.dump``, the text is the same in every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node, clean=False) is not None:
        del node.body[0]
    fields = (f"{name}={_canonical(value)}" for name, value in ast.iter_fields(node) if name not in _IGNORED_FIELDS)
    return f"{type(node).__name__}({','.join(fields)})"


def installed_function(name: str) -> object:
    """Return the function with this ``module:qualified name``, or ``None`` if there is none."""
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return None


def unknown_functions(known: Digests) -> list[str]:
    """Return the names of the functions whose installed source has none of the known digests."""
    return [name for name, digests in known.items() if digest(installed_function(name)) not in digests]
