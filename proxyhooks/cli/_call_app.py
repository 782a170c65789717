"""The request of ``call`` to the application in this process."""

from __future__ import annotations

import logging
import traceback

from flask import Flask

from .._wire.log import logger
from ..testing.transport import AppResponse, AppTransport


def call_app(
    app: Flask, event: str, path: str, body: bytes, secret: str | None, headers: dict[str, str]
) -> AppResponse:
    """Send the request and return the reply. What the package logs, and an unhandled exception, is on stderr."""
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
    response = AppTransport(app, {event: path}, secret, headers).send(event, body, 0)
    propagates = app.config["PROPAGATE_EXCEPTIONS"]
    if response.error is not None and (app.testing or app.debug if propagates is None else propagates):
        traceback.print_exception(response.error)  # Flask logs what it does not propagate
    return response


def place_of_traceback(response: AppResponse, url: str | None) -> str | None:
    """Where the traceback of a failed call is; None if the call has not failed.

    :param url: the root URL of the server that was called; None if the call was in this process.
    """
    if url and response.status == 500:
        return "if the application failed, the log of the server has the traceback"
    return None if response.error is None else "the traceback is above, unless the application logs elsewhere"
