"""Starts the servers of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.gunicorn.differential.comparing import Comparison
from tests.gunicorn.differential.intended import INTENDED
from tests.gunicorn.differential.servers import WORKER, Configuration, Server, serving

_LARGE_READ = 1 << 20
"""Bytes; more than any generated case has."""


@contextmanager
def comparison(
    configuration: Configuration, directory: Path, left: Mapping[str, Any], right: Mapping[str, Any]
) -> Iterator[Comparison]:
    """Two servers of a configuration, to be compared.

    :param left: what the first server has, as :func:`serving` takes it.
    :param right: the same of the second one. Intended differences are those of the package's worker.
    """
    with ExitStack() as stack:

        def start(**options: Any) -> Server:
            return stack.enter_context(serving(configuration, directory, **options))

        @cache
        def start_at_once() -> Server:
            return start(**left, received_at_once=_LARGE_READ)

        servers = start(**left), start(**right)
        if right.get("worker_class") == WORKER:
            yield Comparison(*servers, INTENDED, start_at_once)
        else:
            yield Comparison(*servers)
