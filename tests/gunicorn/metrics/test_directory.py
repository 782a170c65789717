"""The directory of counts: who takes over whose files, and when it goes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyhooks._wire.metric_table import MULTIPROCESS_DIRECTORY
from proxyhooks.gunicorn.metrics import directory as module
from proxyhooks.gunicorn.metrics.directory import Directory, MasterDirectory

OWN = os.geteuid(), os.getegid()
"""User and group of this process."""


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=300)
    return process.pid


@pytest.fixture
def running() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n", timeout=300)


@pytest.fixture(autouse=True)
def _no_directory_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIRECTORY, raising=False)


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir() if file.suffix == ".db"}


def make(path: Path, *files: str) -> None:
    for file in files:
        (path / file).touch()


def test_a_new_process_takes_over_the_files_of_one_that_has_ended(tmp_path: Path, ended: int, running: int) -> None:
    make(tmp_path, f"counter_{ended}.db", f"counter_{ended}-proxyhooks.db", f"gauge_mostrecent_{ended}.db")
    make(tmp_path, f"histogram_{running}.db", "other.db")
    Directory(str(tmp_path)).take_over(4_000_000)
    assert names(tmp_path) == {
        "counter_4000000.db", "counter_4000000-proxyhooks.db", "gauge_mostrecent_4000000.db",
        f"histogram_{running}.db", "other.db",
    }  # fmt: skip


def test_only_the_files_of_one_process_are_taken_over(tmp_path: Path, ended: int) -> None:
    make(tmp_path, f"counter_{ended}.db", "counter_4000001.db")
    Directory(str(tmp_path)).take_over(4_000_000)
    assert len(names(tmp_path)) == 2
    assert "counter_4000000.db" in names(tmp_path)


def test_the_gauges_of_ended_processes_vanish(tmp_path: Path, ended: int, running: int) -> None:
    make(tmp_path, f"gauge_livesum_{ended}.db", f"gauge_liveall_{running}.db", f"gauge_all_{ended}.db")
    directory = Directory(str(tmp_path))
    live, kept = str(tmp_path / f"gauge_liveall_{running}.db"), str(tmp_path / f"gauge_all_{ended}.db")
    assert directory.value_files() == sorted([live, kept])
    directory.remove_dead_gauges(running)
    assert directory.value_files() == [kept]
    directory.take_over(4_000_000)
    assert names(tmp_path) == {"gauge_all_4000000.db"}


def test_a_process_with_the_number_of_an_ended_one_counts_on_in_its_files(tmp_path: Path, ended: int) -> None:
    make(tmp_path, "counter_4000000.db", "gauge_livesum_4000000.db", f"counter_{ended}.db")
    Directory(str(tmp_path)).take_over(4_000_000)
    assert names(tmp_path) == {"counter_4000000.db", f"counter_{ended}.db"}


@pytest.mark.parametrize("kind", ["counter", "gauge_mostrecent"])
def test_damaged_files_are_removed_and_named_and_others_are_taken_over(tmp_path: Path, ended: int, kind: str) -> None:
    make(tmp_path, f"histogram_{ended}.db")
    damaged = tmp_path / f"{kind}_{ended}.db"
    damaged.write_bytes(bytes(range(1, 101)))
    assert Directory(str(tmp_path)).take_over(4_000_000) == [str(damaged)]
    assert names(tmp_path) == {"histogram_4000000.db"}


def test_damaged_files_of_an_ended_process_with_the_same_number_are_removed(tmp_path: Path) -> None:
    make(tmp_path, "histogram_4000000.db")
    (tmp_path / "counter_4000000.db").write_bytes(b"x")
    assert Directory(str(tmp_path)).take_over(4_000_000) == [str(tmp_path / "counter_4000000.db")]
    assert names(tmp_path) == {"histogram_4000000.db"}


def test_failed_reloads_of_all_masters_add_up(tmp_path: Path) -> None:
    assert Directory(str(tmp_path)).reload_failures() == 0
    for _ in range(3):
        Directory(str(tmp_path)).note_reload_failure()
    assert Directory(str(tmp_path)).reload_failures() == 3


def test_a_lock_that_is_never_released_is_an_error_and_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_LIMIT", 0.1)
    code = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path / "take_over")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(OSError, match="unavailable"):
            Directory(str(tmp_path)).take_over(4_000_000)
        holder.communicate(b"\n", timeout=300)


def test_a_master_makes_a_directory_of_its_user_in_gunicorns_directory_and_removes_it(tmp_path: Path) -> None:
    directory = MasterDirectory(str(tmp_path), *OWN)
    assert Path(directory.path).parent == tmp_path
    assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o700
    make(Path(directory.path), "counter_1.db")
    directory.remove_if_last()
    assert not any(tmp_path.iterdir())


def test_a_directory_belongs_to_the_user_of_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *arguments: owners.append(arguments))
    MasterDirectory(str(tmp_path), *OWN).remove_if_last()
    assert owners == []
    directory = MasterDirectory(str(tmp_path), 4711, 4712)
    assert owners == [(directory.path, 4711, 4712)]
    directory.remove_if_last()


def test_another_place_is_taken_if_gunicorns_directory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    monkeypatch.setattr(module, "_IN_MEMORY", str(tmp_path / "missing"))
    directory = MasterDirectory(str(tmp_path / "missing too"), *OWN)
    assert Path(directory.path).parent == tmp_path / "other"
    monkeypatch.setattr(module, "_FREE_SPACE", 1 << 60)
    with pytest.raises(OSError, match="MiB left"):
        MasterDirectory(str(tmp_path), *OWN)
    directory.remove_if_last()


MASTER = """
import os, sys
from proxyhooks.gunicorn.metrics.directory import MasterDirectory
directory = MasterDirectory(sys.argv[1], os.geteuid(), os.getegid())
print(directory.path, directory.is_shared, flush=True)
if input() == "end":
    directory.remove_if_last()
"""


def start_master(place: Path, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MASTER, str(place)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}
    )


def read_line(master: subprocess.Popen[str]) -> str:
    assert master.stdout is not None
    return master.stdout.readline().strip()


@pytest.mark.slow
@pytest.mark.parametrize("first_to_end", [0, 1])
def test_the_last_master_of_an_upgrade_removes_the_directory(tmp_path: Path, first_to_end: int) -> None:
    with start_master(tmp_path) as old:
        path, shared = read_line(old).split()
        assert shared == "False"
        with start_master(tmp_path, **{MULTIPROCESS_DIRECTORY: path}) as new:
            assert read_line(new).split() == [path, "True"]
            ends = [old, new]
            ends.pop(first_to_end).communicate("end\n", timeout=300)
            assert Path(path).exists()
            ends[0].communicate("end\n", timeout=300)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_directory_of_a_master_that_was_killed_is_removed_by_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_master(tmp_path) as running, start_master(tmp_path) as killed:
        used, stale = Path(read_line(running).split()[0]), Path(read_line(killed).split()[0])
        killed.kill()
        killed.wait(timeout=300)
        MasterDirectory(str(tmp_path), *OWN).remove_if_last()
        assert stale.exists()  # its workers may still be there
        long_ago = time.time() - 100
        for path in (used, stale):
            os.utime(path, (long_ago, long_ago))
        MasterDirectory(str(tmp_path), *OWN).remove_if_last()
        assert not stale.exists()
        assert used.exists()
        running.communicate("end\n", timeout=300)


def test_a_directory_of_the_user_is_used_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    monkeypatch.setenv(MULTIPROCESS_DIRECTORY, str(own))
    directory = MasterDirectory(None, *OWN)
    assert (directory.path, directory.is_shared) == (str(own), False)
    directory.remove_if_last()
    assert own.is_dir()
