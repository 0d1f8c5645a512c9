"""The journal's bytes and files: whatever happens to them is noticed and never stops a start."""

from __future__ import annotations

import os
import resource
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import Unkept
from collector.exposition.negotiate import TEXT_FORMAT
from collector.fields.component_id import parse
from collector.journal import journal as module
from collector.journal.directory import DAMAGED_FILES_MAX, StateDirError
from collector.journal.frames import MAGIC, Gap, Record, frames, head
from collector.journal.journal import Fsync, Journal, StateDir
from collector.plan import load
from collector.river import River
from tests.collector.pipeline import samples
from tests.collector.test_expiry import own, said
from tests.collector.test_journal_restore import increment, restarted, started, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.collector.pipeline import Pipeline

records = st.lists(
    st.builds(Record, st.integers(0, 255), st.floats(allow_nan=False), st.binary(max_size=40)),
    max_size=6,
)


def written(some: list[Record]) -> bytes:
    """A file of records."""
    return MAGIC + b"".join(head(*record) + record.payload for record in some)


@given(records)
def test_what_is_written_is_read(some: list[Record]) -> None:
    """Frames are read as they were written."""
    assert list(frames(written(some))) == some


@given(records, st.data())
@settings(max_examples=300)
def test_a_file_that_was_cut_off_keeps_all_whole_records(
    some: list[Record], data: st.DataObject
) -> None:
    """Whatever was written before the end is read, and nothing else."""
    whole = written(some)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    ends = [len(written(some[: count + 1])) for count in range(len(some))]
    found = [record for record in frames(cut) if isinstance(record, Record)]
    assert found == some[: sum(end <= len(cut) for end in ends)]


@given(records, st.data())
@settings(max_examples=300)
def test_a_bit_that_flipped_costs_one_record_or_the_tail(
    some: list[Record], data: st.DataObject
) -> None:
    """No record is read that was not written; what stands before the damage is all there."""
    whole = bytearray(written(some))
    at = data.draw(st.integers(len(MAGIC), len(whole))) - 1
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = list(frames(bytes(whole)))
    assert [one for one in found if isinstance(one, Record) and one not in some] == []
    if at >= len(MAGIC):
        ends = [len(written(some[: count + 1])) for count in range(len(some))]
        intact = sum(end <= at for end in ends)
        assert found[:intact] == some[:intact]
        assert any(isinstance(one, Gap) for one in found)


def files(path: Path, suffix: str, pipeline: str = "metrics") -> list[Path]:
    """The files of a kind in the pipeline's directory."""
    return sorted((path / pipeline).glob(f"*.{suffix}"))


def read(running: Pipeline) -> float:
    """What the counter reads."""
    return samples(running.scrape_text())["m_total", "a"]


@pytest.mark.parametrize("damage", ["cut", "zeros", "garbage", "flip"])
@pytest.mark.parametrize("suffix", ["journal", "state"])
def test_damage_is_cut_kept_aside_and_counted(tmp_path: Path, damage: str, suffix: str) -> None:
    """It starts with all that can be read; the second time nothing is damaged any more."""
    running = started(tmp_path)
    running.accept(said("t1", 5), 0)
    if suffix == "state":
        write_state(running, 0)
    running.accept(said("t2", 7), 0)
    file = files(tmp_path, suffix)[-1]
    whole = file.read_bytes()
    file.write_bytes(
        {
            "cut": whole[:-3],
            "zeros": whole + bytes(100),
            "garbage": whole + os.urandom(100),
            "flip": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        }[damage]
    )
    running = restarted(running, tmp_path, 0)
    lost = suffix == "journal" and damage in {"cut", "flip"}
    assert read(running) == (5 if lost else 12)
    assert own(running, "portless_journal_damaged") == 1
    assert own(running, "portless_journal_cut_bytes") > 0
    assert len(files(tmp_path, "damaged")) == 1
    running.accept(said("t3", 1), 0)
    running = restarted(running, tmp_path, 0)
    assert own(running, "portless_journal_damaged") == 0
    assert read(running) == (6 if lost else 13)


def test_what_is_kept_aside_is_bounded(tmp_path: Path) -> None:
    """A disk that damages a file at every start is not filled with the pieces."""
    running = started(tmp_path)
    for _ in range(2 * DAMAGED_FILES_MAX):
        running.accept(said("t1", 5), 0)
        with files(tmp_path, "journal")[-1].open("ab") as file:
            file.write(os.urandom(1000))
        running = restarted(running, tmp_path, 0)
    assert len(files(tmp_path, "damaged")) == DAMAGED_FILES_MAX
    assert read(running) == 5


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process gets longer: the way in which a full disk shows without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def push_on(running: Pipeline) -> None:
    """Push growing numbers, more than the files may hold."""
    for value in range(30):
        running.accept(said("t1", 5 + value / 100), 0)


@pytest.mark.parametrize("size", [0, 10, 300, 500])
def test_a_full_disk_refuses_retryably_and_loses_nothing(tmp_path: Path, size: int) -> None:
    """What cannot be kept is not recorded; once there is room the same bytes count."""
    running = started(tmp_path)
    running.accept(said("t1", 5), 0)
    with file_size_limit(size):
        with pytest.raises(Unkept) as refusal:
            push_on(running)
        assert refusal.value.retryable
        accepted = read(running)
        for value in range(6, 20):
            with suppress(Unkept):
                running.accept(said("t1", value), 0)
                accepted = value
        assert read(running) == accepted
        assert len(files(tmp_path, "journal")) < 20
    assert own(running, "portless_journal_failed") > 0
    assert running.intake.requests["unkept"] > 0
    again = restarted(running, tmp_path, 0)
    assert own(again, "portless_journal_damaged") == 0
    assert read(again) == accepted
    again.accept(said("t1", 20), 0)
    assert read(restarted(again, tmp_path, 0)) == 20


def test_the_disk_that_it_takes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """States keep it small; where none can be written, pushes are refused rather than more kept."""
    monkeypatch.setattr(module, "GROWTH_BYTES_MIN", 2_000)
    running = started(tmp_path, bytes_max=20_000)
    for value in range(1, 1000):
        running.accept(said("t1", value), 0)
        running.river.keep(0)
        assert sum(file.stat().st_size for file in (tmp_path / "metrics").iterdir()) < 20_000
    assert own(running, "portless_journal_states") > 10
    refused = 0
    for value in range(1000, 1200):
        try:
            running.accept(said("t1", value), 0)
        except Unkept:
            refused += 1
    assert refused > 0
    before = read(running)
    while running.river.keep(0):
        pass
    running.accept(said("t1", 2000), 0)
    assert before < read(restarted(running, tmp_path, 0)) == 2000


def test_many_starts_do_not_fill_the_directory(tmp_path: Path) -> None:
    """Each begins a file; a state takes the place of them all."""
    running = started(tmp_path)
    running.accept(said("t1", 5), 0)
    for _ in range(150):
        running = restarted(running, tmp_path, 0)
        while running.river.keep(0):
            pass
    assert len(files(tmp_path, "journal")) < 70
    assert read(running) == 5


def test_a_state_that_cannot_be_written_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records stay, nothing is lost, and it is tried again later."""
    monkeypatch.setattr(module, "GROWTH_BYTES_MIN", 2_000)
    running = started(tmp_path)
    for value in range(1, 100):
        running.accept(said("t1", value), 0)
    with file_size_limit(100):
        assert running.river.keep(0)
        assert not running.river.keep(0)
    assert files(tmp_path, "unfinished") == []
    running = restarted(running, tmp_path, 0)
    assert read(running) == 99
    assert own(running, "portless_journal_states") == 0


def test_two_collectors_cannot_have_one_directory(tmp_path: Path) -> None:
    """The second is refused and told what to do; the first is not disturbed."""
    running = started(tmp_path)
    running.accept(said("t1", 5), 0)
    with pytest.raises(StateDirError, match="another collector uses this state directory"):
        started(tmp_path)
    running.accept(said("t1", 6), 0)
    assert read(restarted(running, tmp_path, 0)) == 6


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A file in the way is said to be one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirError, match="file"):
        Journal(tmp_path / "file" / "state")


def test_only_the_owner_reads_what_was_pushed(tmp_path: Path) -> None:
    """Tenants are in it: directories are 0700 and files 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        running = started(tmp_path / "state")
        running.accept(said("t1", 5), 0)
        write_state(running, 0)
        running.accept(said("t1", 6), 0)
    finally:
        os.umask(umask)
    inner = tmp_path / "state" / "metrics"
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in inner.iterdir()} == {0o600}


@pytest.mark.parametrize("fsync", list(Fsync))
def test_files_are_synced_when_it_was_said(tmp_path: Path, fsync: Fsync) -> None:
    """Only in between there is something left to be synced by whoever has the time."""
    running = started(tmp_path, fsync=fsync)
    running.accept(said("t1", 5), 0)
    handles = running.river.syncing()
    assert len(handles) == (fsync is Fsync.INTERVAL)
    for handle in handles:
        os.close(handle)
    assert running.river.syncing() == []
    write_state(running, 0)
    assert read(restarted(running, tmp_path, 0, fsync=fsync)) == 5


BOTH = """
receivers:
  otlp: {protocols: {http: {}}}
  otlp/api: {protocols: {http: {endpoint: "127.0.0.1:4319"}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464"}
  prometheus/api: {endpoint: "127.0.0.1:9465"}
service:
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
    metrics/api: {receivers: [otlp, otlp/api], exporters: [prometheus/api]}
"""


def both(path: Path) -> River:
    """Two pipelines that have a receiver in common."""
    one = River(load("test.yaml", BOTH, {}), 100, StateDir(path, Fsync.ALWAYS))
    one.restore(0)
    return one


def reads(of: River, exporter: str) -> float:
    """What the counter reads at an exporter."""
    text = of.prometheus[parse(exporter)].scrape(TEXT_FORMAT).decode()
    return samples(text).get(("m_total", "a"), 0)


def test_what_one_pipeline_cannot_keep_counts_in_none(tmp_path: Path) -> None:
    """Whoever was told to send it again does so; it counts once, also after a restart."""
    one = both(tmp_path)
    pushed = [one.intake(parse(name), "http") for name in ("otlp", "otlp/api")]
    for at, intake in enumerate([pushed[0], *[pushed[1]] * 5]):
        intake.accept(increment(at), 0)
    size = files(tmp_path, "journal", "metrics%2Fapi")[-1].stat().st_size
    with file_size_limit(size), pytest.raises(Unkept):
        pushed[0].accept(increment(6), 0)
    assert pushed[0].requests["unkept"] == 1
    again = [one]
    for _ in range(2):
        assert [reads(again[-1], name) for name in ("prometheus", "prometheus/api")] == [1, 6]
        again[-1].close()
        again.append(both(tmp_path))
    again[-1].intake(parse("otlp"), "http").accept(increment(6), 0)
    assert [reads(again[-1], name) for name in ("prometheus", "prometheus/api")] == [2, 7]
    again[-1].close()
