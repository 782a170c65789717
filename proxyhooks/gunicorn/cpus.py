"""How many workers there are by default: as many as this process may use CPUs.

A container sees all CPUs of its host. Its affinity and the CPU quotas of its control groups (cgroups) limit what it may
use: the ``limits`` of a Kubernetes pod, docker's ``--cpus``, systemd's ``CPUQuota``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

_PROC: Final = Path("/proc/self")
# The lines of both files are described in cgroups(7) and proc_pid_mountinfo(5).
_OWN_GROUP: Final = re.compile(r"^\d+:([^:\n]*):(.*)$", re.MULTILINE)
"""Controllers and path."""
_MOUNT: Final = re.compile(r"^\S+ \S+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$", re.MULTILINE)
"""Root, mount point, type and options of a mounted hierarchy of groups."""


def usable_cpus(proc: Path = _PROC) -> int:
    """Return the number of CPUs that this process may use; a part of a CPU counts as one.

    :param proc: the folder that describes this process.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for directory in _cpu_groups(proc):
        with suppress(OSError, ValueError, ZeroDivisionError):  # no such file, or no quota in it
            quota, period = _read_quota(directory)
            cpus = min(cpus, -(-quota // period)) if quota > 0 else cpus
    return max(1, cpus)


def default_workers() -> int:
    """Return the number of workers that gunicorn starts: ``WEB_CONCURRENCY``, or one for each usable CPU, at least two.

    With two, one serves while the other is replaced.

    :raises ValueError: if ``WEB_CONCURRENCY`` is wrong.
    """
    value = os.environ.get("WEB_CONCURRENCY")
    if not value:
        return max(2, usable_cpus())
    if not value.strip().isdecimal() or int(value) < 1:
        raise ValueError(f"WEB_CONCURRENCY must be a number of workers above 0, such as 4, not {value!r}")
    return int(value)


def _read_quota(directory: Path) -> tuple[int, int]:
    """Return the microseconds of CPU time that a group has in each period, and those of the period.

    :raises ValueError: if it has no quota; version 1 of control groups has a negative one instead.
    """
    if (version_2 := directory / "cpu.max").exists():
        quota, period = version_2.read_text().split()
    else:
        quota = (directory / "cpu.cfs_quota_us").read_text()
        period = (directory / "cpu.cfs_period_us").read_text()
    return int(quota), int(period)


def _cpu_groups(proc: Path) -> Iterator[Path]:
    """Return the folders of the groups that limit the CPU time of this process: its own ones and those around them."""
    try:
        # The names of groups and mount points may have any bytes.
        own_groups = _OWN_GROUP.findall(os.fsdecode((proc / "cgroup").read_bytes()))
        mounts = _MOUNT.findall(os.fsdecode((proc / "mountinfo").read_bytes()))
    except OSError:  # no Linux
        return
    groups = {controller: path for controllers, path in own_groups for controller in controllers.split(",")}
    for root, mount_point, kind, options in mounts:
        if kind == "cgroup2" or "cpu" in options.split(","):
            # Version 2 has one group, without a controller.
            own = PurePosixPath(groups.get("" if kind == "cgroup2" else "cpu", "/"))
            # In a container, the group may lie outside of what is mounted. Then its own group is what is mounted.
            inside = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
            yield from (Path(mount_point, group) for group in (inside, *inside.parents))
