"""gunicorn's settings for hooks: ``gunicorn -c python:proxyhooks.gunicorn app:app``.

gunicorn's own means override a setting: a flag, the environment (``GUNICORN_CMD_ARGS="--threads 16"``,
``WEB_CONCURRENCY=4`` for the number of workers), or a configuration file that starts with
``from proxyhooks.gunicorn import *``. The functions are gunicorn's server hooks. A configuration file that defines a
server hook of the same name calls the one from this module in it.
"""

from __future__ import annotations

from . import server_hooks, settings
from .server_hooks import *  # noqa: F403  # gunicorn reads the names of this module
from .settings import *  # noqa: F403  # as above

__all__: list[str] = []
__all__ += settings.__all__
__all__ += server_hooks.__all__
