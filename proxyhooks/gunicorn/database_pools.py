"""A warning at the start of a worker whose threads can use more database connections than the application's pool has.

It looks at Flask-SQLAlchemy, where ``post_worker_init`` can see the Flask application. This module imports neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .settings import worker_class


def warn_of_small_pools(worker: Any) -> None:
    """Warn of each database pool that has fewer connections than the worker has threads."""
    if worker.cfg.worker_class_str not in ("gthread", worker_class):  # the others do not call hooks in threads
        return
    threads: int = worker.cfg.threads
    try:
        limits = list(_connection_limits(worker.wsgi))
    except Exception:  # another extension of that name, or another version of this one: nothing can be seen
        worker.log.debug("The database pools of the application cannot be seen", exc_info=True)
        return
    for database, limit in limits:
        if limit < threads:
            worker.log.warning(
                "The pool of %s is limited to %d, and this worker has %d threads: a hook that gets no connection in "
                'time fails. Set SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": %d}, or start gunicorn with --threads %d',
                database, limit, threads, threads, limit,
            )  # fmt: skip


def _connection_limits(app: Any) -> Iterator[tuple[str, int]]:
    """The databases of the application, and how many connections each pool opens at most."""
    database = getattr(app, "extensions", {}).get("sqlalchemy")
    if database is None:
        return
    with app.app_context():
        engines = database.engines
    for bind_key, engine in engines.items():
        # Only the pool that has a limit, QueuePool, has this attribute. It is private: if it moves, there is no
        # warning. -1 is no limit, and so is a size of 0.
        overflow = getattr(engine.pool, "_max_overflow", -1)
        if overflow >= 0 and (size := engine.pool.size()) > 0:
            yield "the database" if bind_key is None else f"the database {bind_key!r}", size + overflow
