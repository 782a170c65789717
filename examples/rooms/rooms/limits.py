"""Rate limits. A hook that exceeds one answers 111 "too many requests", temporary; a view answers 429."""

from __future__ import annotations

import logging

from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from proxyhooks import current_request

# Views are limited by address; behind a reverse proxy that takes werkzeug's ProxyFix.
limiter = Limiter(key_func=get_remote_address)
# At INFO it logs each call that it refuses, so clients could fill the log.
logging.getLogger("flask-limiter").setLevel(logging.WARNING)


def current_user_id() -> str:
    """For hooks, whose address is always Centrifugo's."""
    return str(current_request.user)


# Among the decorators of a hook it runs before the payload is read, so payloads that the schema refuses count too.
publish_limit = limiter.limit(lambda: current_app.config["PUBLISH_LIMIT"], key_func=current_user_id)
