"""Files of values: prometheus_client reads what the package writes, and no value is lost."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from proxyhooks._wire.value_file import ValueFile


def read(path: Path) -> dict[str, float]:
    """The values by key, as prometheus_client reads them."""
    client: Any = MmapedDict
    return {key: value for key, value, _, _ in client.read_all_values_from_file(str(path))}


def samples(path: Path) -> dict[tuple[str, str], float]:
    collector: Any = MultiProcessCollector
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for metric in collector.merge([str(path)])
        for sample in metric.samples
    }


def test_prometheus_client_reads_what_is_written(tmp_path: Path) -> None:
    file = ValueFile(str(path := tmp_path / "counter_1.db"))
    for label, value in (("a", 1.0), ("b", 2.5)):
        view, index = file.cell("calls", "calls_total", [("event", label)], "Calls.")
        view[index] += value
    assert samples(path) == {("calls_total", "a"): 1.0, ("calls_total", "b"): 2.5}


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), unique=True, max_size=12))
def test_a_key_is_written_as_prometheus_client_writes_it(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    here = tmp_path_factory.mktemp("files")
    client: Any = MmapedDict
    theirs = client(str(here / "theirs.db"))
    ours = ValueFile(str(here / "ours.db"))
    key: Any = mmap_key
    for number, value in enumerate(values):
        theirs.write_value(key("m", "m_total", ["b", "a"], [value, "x"], "h"), float(number), 0.0)
        view, index = ours.cell("m", "m_total", [("b", value), ("a", "x")], "h")
        view[index] = float(number)
    theirs.close()
    used = struct.unpack("i", (here / "theirs.db").read_bytes()[:4])[0]
    assert (here / "ours.db").read_bytes()[:used] == (here / "theirs.db").read_bytes()[:used]


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = str(tmp_path / "counter_1.db")
    for total in (1.0, 2.0, 3.0):
        file = ValueFile(path)
        view, index = file.cell("calls", "calls_total", [], "Calls.")
        view[index] += 1.0
        assert samples(tmp_path / "counter_1.db") == {("calls_total", ""): total}


def test_a_file_grows_and_earlier_views_still_write_to_it(tmp_path: Path) -> None:
    file = ValueFile(str(path := tmp_path / "counter_1.db"))
    cells = [file.cell("calls", "calls_total", [("event", str(number))], "x" * 200) for number in range(1000)]
    assert path.stat().st_size > 131_072
    for view, index in cells:
        view[index] += 1.0
    assert set(read(path).values()) == {1.0}
    assert len(read(path)) == 1000


def test_a_reader_sees_an_entry_only_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, write_used = list[dict[str, float]](), ValueFile._write_used

    def write_and_read(file: ValueFile) -> None:
        write_used(file)
        seen.append(read(tmp_path / "counter_1.db"))

    monkeypatch.setattr(ValueFile, "_write_used", write_and_read)
    file = ValueFile(str(tmp_path / "counter_1.db"))
    for number in range(3):
        file.cell("calls", "calls_total", [("number", str(number))], "Calls.")
    assert [len(values) for values in seen] == [0, 1, 2, 3]
    assert [json.loads(key)[2] for key in seen[-1]] == [{"number": str(number)} for number in range(3)]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (struct.pack("iiii", 4096, 0, 1_000_000, 0) + bytes(8000), "there is no entry at byte 8"),
        (struct.pack("iiii", 32, 0, -8, 0) + bytes(100), "there is no entry at byte 8"),
        (struct.pack("ii", 1_000_000, 0), "the number of its bytes in use is wrong"),
        (struct.pack("ii", -1, 0), "the number of its bytes in use is wrong"),
        (b"\1", "the number of its bytes in use is wrong"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "counter_1.db"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=error):
        ValueFile(str(path))


def test_a_file_without_room_on_the_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    before = os.listdir("/proc/self/fd")
    for _ in range(10):  # each call of a hook tries again
        with pytest.raises(OSError, match="No space left"):
            ValueFile(str(tmp_path / "counter_1.db"))
    assert len(os.listdir("/proc/self/fd")) == len(before)
