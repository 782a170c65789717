"""Importing this package anew in a worker, so that a reload runs the code of an upgrade.

The master imports the package for its server hooks, and the workers inherit these modules. A worker forgets them before
it loads the application. It must not do so if a module outside of the package has imported the package too, such as a
configuration file that imports a module of the application: there would be two copies of the package in one process,
and a refusal of one copy is a failure to the other.
"""

from __future__ import annotations

import importlib
import sys
from types import FunctionType, ModuleType
from typing import Any, Final

_PACKAGE: Final = __name__.partition(".")[0]
_GUNICORN_PART: Final = __name__.rpartition(".")[0]
"""The part of the package that gunicorn runs. Its classes and functions in the master stay in use in the workers."""
_CONFIGURATION: Final = "__config__"
"""The name under which gunicorn imports a configuration file. Its functions are server hooks and answer no calls."""


_holder_logged = False


def find_holder() -> str | None:
    """Return the name of a module outside of the package that holds something of the package, or None.

    What gunicorn itself holds, the settings, server hooks and workers of ``proxyhooks.gunicorn``, does not count.
    """
    for name, module in sys.modules.copy().items():
        if name == _CONFIGURATION or _is_inside(name, _PACKAGE):
            continue
        # Other classes of modules may import something when their attributes are read.
        if type(module) is ModuleType and any(_is_of_package(value) for value in list(vars(module).values())):
            return name
    # The server hooks do not import proxyhooks._flask. So a function has, and no variable of a module shows that.
    return "a function that has run" if f"{_PACKAGE}._flask" in sys.modules else None


def log_holder(server: Any) -> None:
    """Log once which module keeps workers from importing this package anew."""
    global _holder_logged
    if _holder_logged or server.cfg.preload_app or (holder := find_holder()) is None:
        return
    _holder_logged = True
    server.log.info(
        "%s has imported proxyhooks before the workers start: after an upgrade of proxyhooks, restart gunicorn (USR2); "
        "a reload (HUP) does not load the new code of proxyhooks",
        holder,
    )


def forget_package() -> None:
    """Remove the package from the imported modules, so that the next import loads it from disk."""
    for name in [name for name in sys.modules if _is_inside(name, _PACKAGE)]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _is_inside(name: object, package: str) -> bool:
    return isinstance(name, str) and (name == package or name.startswith(f"{package}."))


def _is_of_package(value: object) -> bool:
    """Whether the value is a module, function, class or object of the package, or of a class that derives from one."""
    # isinstance would ask proxies such as flask.request, which then look for their objects.
    kind = type(value)
    names: list[object]
    if kind is ModuleType:
        names = [vars(value).get("__name__")]
    elif kind is FunctionType:
        names = [getattr(value, "__module__", None)]
    else:
        derived: Any = value if issubclass(kind, type) else kind
        names = [vars(base).get("__module__") for base in derived.__mro__]
    return any(_is_inside(name, _PACKAGE) and not _is_inside(name, _GUNICORN_PART) for name in names)
