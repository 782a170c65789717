"""Keys of the WSGI environ with which the Flask part talks to gunicorn's workers and to the test client.

The values are plain ones: the two may have different versions of this package, since a worker loads the application
anew.
"""

from __future__ import annotations

from typing import Final

RECEIVED: Final = "proxyhooks.received"
"""Set by the worker: when the last byte of the request was read, by ``time.monotonic``; -inf if the caller hung up."""
ACCEPTED: Final = "proxyhooks.accepted"
"""Set to True by the application: the caller knows a secret. Its connection is spared when others make room."""
CLOSE_CONNECTION: Final = "proxyhooks.close_connection"
"""Set to True by the application: the worker closes the connection after this reply.

The caller has no secret, or is to reach another worker, or the end of its request is not known.
"""
RUN_TASKS_IN_PLACE: Final = "proxyhooks.run_tasks_in_place"
"""Set by the test client: what ``after_reply`` was given runs before the client has the reply, in the same thread."""
