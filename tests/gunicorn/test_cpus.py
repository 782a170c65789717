"""How many CPUs a process may use, and how many workers gunicorn starts by default."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxyhooks.gunicorn.cpus import default_workers, usable_cpus
from tests.support.paths import ROOT
from tests.support.servers import server_environment

V2 = "30 23 0:26 {root} {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 31 0:30 {root} {mount} rw,relatime - cgroup cgroup rw,cpu,cpuacct"
OTHER = "34 31 0:31 / {mount} rw - cgroup cgroup rw,memory\n35 31 0:32 / / rw - ext4 /dev/sda1 rw,errors=remount-ro"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with 64 CPUs; this process may use 48 of them."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(48)))


def cpus(here: Path, mount: str, own: str, files: dict[str, str], root: str = "/") -> int:
    """What :func:`usable_cpus` returns with these files below the mount point of the control groups."""
    mount_point = here / "cgroup"
    for name, text in files.items():
        path = mount_point / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (here / "cgroup.own").mkdir()
    proc = here / "cgroup.own"
    (proc / "cgroup").write_bytes(os.fsencode(own))
    (proc / "mountinfo").write_bytes(os.fsencode(f"{OTHER}\n{mount}\n".format(root=root, mount=mount_point)))
    return usable_cpus(proc)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", 48),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("300000 100000\n", 3),
        ("25000 50000\n", 1),
        ("9000000 100000\n", 48),  # more than the affinity allows
        ("", 48),
        ("100000 0\n", 48),
    ],
)
def test_a_quota_limits_the_cpus_and_a_part_counts_as_one(quota: str, expected: int, tmp_path: Path) -> None:
    # As in a container, which sees its own group as the root.
    assert cpus(tmp_path, V2, "0::/\n", {"cpu.max": quota}) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1\n", 48), ("200000\n", 2), ("250000\n", 3), ("50000\n", 1)])
def test_a_quota_of_version_1_limits_them_too(quota: str, expected: int, tmp_path: Path) -> None:
    files = {"pod/cpu.cfs_quota_us": quota, "pod/cpu.cfs_period_us": "100000\n"}
    assert cpus(tmp_path, V1, "5:memory:/other\n4:cpu,cpuacct:/pod\n0::/\n", files) == expected


def test_the_smallest_quota_of_the_group_and_of_those_around_it_counts(tmp_path: Path) -> None:
    files = {"a.slice/b.service/cpu.max": "400000 100000", "a.slice/cpu.max": "200000 100000", "cpu.max": "max 100000"}
    assert cpus(tmp_path, V2, "0::/a.slice/b.service\n", files) == 2


def test_the_quota_of_another_group_does_not_count(tmp_path: Path) -> None:
    files = {"a/cpu.max": "max 100000", "b/cpu.max": "100000 100000", "a/inner/cpu.max": "100000 100000"}
    assert cpus(tmp_path, V2, "0::/a\n", files) == 48


@pytest.mark.parametrize("own", ["/docker/4d1f", "/elsewhere"])
def test_a_container_that_sees_the_groups_of_its_host_has_its_own_group_mounted(own: str, tmp_path: Path) -> None:
    files = {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"}
    assert cpus(tmp_path, V1, f"4:cpu,cpuacct:{own}\n", files, root="/docker/4d1f") == 2


@pytest.mark.parametrize("own", ["0::/caf\udce9\n", "1:name=caf\udce9:/\n0::/\n"])
def test_names_of_mount_points_and_groups_may_have_any_bytes(own: str, tmp_path: Path) -> None:
    here = tmp_path / os.fsdecode(b"caf\xe9")
    assert cpus(here, V2, own, {"cpu.max": "100000 100000\n"}) == 1


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 48


def test_on_a_system_without_affinity_all_cpus_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cpus(tmp_path) == 64


# the default of gunicorn's setting


def workers(prepare: str) -> str:
    """The setting in a fresh process, which runs *prepare* first."""
    code = f"import os; {prepare}; from proxyhooks.gunicorn import workers; print(workers)"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=server_environment(), capture_output=True, text=True, check=True, timeout=300
    ).stdout.strip()


def test_a_process_on_one_cpu_has_two_workers_so_that_one_serves_while_another_is_replaced() -> None:
    assert workers("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})") == "2"


def test_workers_follow_the_affinity() -> None:
    assert workers("os.sched_getaffinity = lambda pid: set(range(5)); os.cpu_count = lambda: 64") == "5"


@pytest.mark.parametrize(("value", "expected"), [("7", 7), ("1", 1), (" 4 ", 4), ("", 48)])
def test_web_concurrency_sets_the_number_of_workers(value: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    monkeypatch.setattr("proxyhooks.gunicorn.cpus.usable_cpus", lambda: 48)
    assert default_workers() == expected


@pytest.mark.parametrize("value", ["0", "-1", "four", "2.5"])
def test_a_wrong_web_concurrency_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    with pytest.raises(ValueError, match=f"WEB_CONCURRENCY must be a number of workers above 0, .* not '{value}'"):
        default_workers()


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A control group of this machine with a quota of one and a half CPUs."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup" if version_2 else "/sys/fs/cgroup/cpu", f"proxyhooks-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        try:
            if version_2:
                (group / "cpu.max").write_text("150000 100000")
            else:
                (group / "cpu.cfs_quota_us").write_text("150000")
        except OSError as error:
            pytest.skip(f"no quota can be set here: {error}")
        yield group
    finally:
        with suppress(OSError):
            group.rmdir()


def test_the_quota_of_a_real_control_group_limits_the_workers(limited_group: Path) -> None:
    join = f"open({str(limited_group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    many = "os.sched_getaffinity = lambda pid: set(range(64))"
    assert workers(f"{join}; {many}") == "2"
    assert workers(many) != "2"
