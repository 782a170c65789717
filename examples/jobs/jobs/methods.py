"""The methods ``jobs.start``, ``jobs.current`` and ``jobs.cancel``. Each returns the user's last job."""

from __future__ import annotations

from typing import Any

from proxyhooks import Hooks, RPCRequest, RPCResult, after_reply

from . import push
from .job_store import job_store
from .schemas import CancelSchema, CurrentJobSchema, StartSchema

hooks = Hooks()


@hooks.rpc("start", data_schema=StartSchema, result_schema=CurrentJobSchema)
def start(req: RPCRequest[dict[str, Any]]) -> RPCResult:
    job = job_store().start(req.user, req.data["rows"])
    after_reply(push.publish, req.user, job)  # for the user's other tabs
    return RPCResult(data={"job": job})


@hooks.rpc("current", result_schema=CurrentJobSchema)
def current(req: RPCRequest) -> RPCResult:
    return RPCResult(data={"job": job_store().current(req.user)})


@hooks.rpc("cancel", data_schema=CancelSchema, result_schema=CurrentJobSchema)
def cancel(req: RPCRequest[dict[str, Any]]) -> RPCResult:
    # By its id, so that a late click does not cancel the next job.
    job = job_store().cancel(req.user, req.data["id"])
    if job is not None:
        after_reply(push.publish, req.user, job)
    return RPCResult(data={"job": job})
