"""Publishes to a user's channel through Centrifugo's server API, for hooks and for workers."""

from __future__ import annotations

import logging

from cent import CentError, Client, PublishRequest
from flask import current_app

from .connection import OWN, hooks
from .job_store import Job

logger = logging.getLogger(__name__)


def publish(user: str, job: Job) -> None:
    channel = OWN.format(user=user)
    data = hooks.dump_publication(channel, job)
    # A key of digits alone is a number when it comes from the environment.
    url, key = current_app.config["CENTRIFUGO_API_URL"], str(current_app.config["CENTRIFUGO_API_KEY"])
    try:
        with Client(url, key, timeout=1) as api:
            api.publish(PublishRequest(channel=channel, data=data))
    except CentError as error:
        # The job goes on. A page that hears nothing asks how far it is.
        logger.warning("a publication to %s is lost: %s", channel, error)
