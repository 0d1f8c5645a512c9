"""State files on a disk: continued, left, set aside, held; and nothing of it stops a start."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry import catalog
from telemetry.state import cells, files, layout, left, opening
from telemetry.state.held import Held, hold, is_held
from telemetry.state.left import Fate, Neighbours
from telemetry.state.opening import open_store
from telemetry.tally import Reading, Tallies
from telemetry.tasks.facts import WorkerStarted
from telemetry.tasks.lifecycle import Lifecycle
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.state.cells import Mapped
    from telemetry.state.layout import Head

RESOURCE = {"service.name": "celery", "service.instance.id": "one@lab"}
BUY = ("shop.buy", "lab")


class Worker:
    """What a worker does with its state, in this process."""

    def __init__(self, directory: Path, start: int = 1, **resource: str) -> None:
        self.failures: list[str] = []
        self.store = open_store(directory, RESOURCE | resource, start, self.failures.append)
        self.tallies = Tallies(store=self.store)
        self.lifecycle = Lifecycle(self.tallies)
        self.lifecycle.apply(WorkerStarted("one@lab"))

    @property
    def mapped(self) -> Mapped:
        """Its store, which has to be a file."""
        assert self.store is not None
        return self.store

    def receive(self, *deliveries: int) -> None:
        """Get messages, and begin none of them."""
        for delivery in deliveries:
            self.lifecycle.deliveries.received((delivery, *BUY, ()))

    def value(self, metric: catalog.Metric, *values: str) -> float:
        """What a series reads."""
        return self.tallies.numbers[self.tallies.cell(metric, *values)]

    def die(self) -> None:
        """As by SIGKILL: the lock goes, the file stays."""
        self.mapped._held.close()


class Collector:
    """Takes what is sent, or not."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.got: list[tuple[Head, dict[tuple[str, tuple[str, ...]], tuple[float, ...]]]] = []

    def __call__(self, head: Head, readings: list[Reading]) -> bool:
        said = {(reading.metric.name, reading.attributes): reading.numbers for reading in readings}
        assert len(said) == len(readings)
        self.got.append((head, said))
        return self.takes


def names(directory: Path) -> list[str]:
    """What is there."""
    return sorted(path.name for path in directory.iterdir())


def test_a_worker_that_died_goes_on_where_it_was(tmp_path: Path) -> None:
    """The same numbers and the same beginning; what was in hand is lost, gauges start anew."""
    first = Worker(tmp_path, start=11)
    first.receive(1, 2, 3)
    first.lifecycle.deliveries.ended((1, "success", "", 0.0))
    first.die()
    second = Worker(tmp_path, start=22)
    assert second.mapped.start_unix_nano == 11
    assert second.value(catalog.RECEIVED, *BUY) == 3
    assert second.value(catalog.SUCCESS, *BUY) == 1
    assert second.value(catalog.LOST, *BUY, "worker_died") == 2
    assert second.value(catalog.RESERVED, "one@lab") == 0
    assert second.value(catalog.UP, "one@lab") == 1
    second.receive(1)
    second.die()
    third = Worker(tmp_path, start=33)
    assert third.value(catalog.RECEIVED, *BUY) == 4
    assert third.value(catalog.LOST, *BUY, "worker_died") == 3
    assert third.failures == []


def test_what_an_earlier_process_measured_is_not_known(tmp_path: Path) -> None:
    """A gauge that nobody has set since is no reading; a file keeps its place for it."""
    first = Worker(tmp_path)
    cell = first.tallies.cell(catalog.QUEUE_LENGTH, "lab")
    first.tallies.numbers[cell] = 7
    first.die()
    second = Worker(tmp_path)
    read = {reading.metric for reading in second.tallies.readings()}
    assert catalog.QUEUE_LENGTH not in read
    second.tallies.numbers[second.tallies.cell(catalog.QUEUE_LENGTH, "lab")] = 3
    assert Reading(catalog.QUEUE_LENGTH, ("lab",), (3.0,)) in second.tallies.readings()


def test_a_file_grows_with_its_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks there are, every count is found again."""
    monkeypatch.setattr(cells, "SIZE", 64)
    first = Worker(tmp_path)
    for number in range(50):
        for _ in range(number + 1):
            first.lifecycle.deliveries.received((number, f"task-{number}", "lab", ()))
    first.die()
    second = Worker(tmp_path)
    for number in range(50):
        assert second.value(catalog.RECEIVED, f"task-{number}", "lab") == number + 1


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    """Files 0600, a directory made for them 0700."""
    Worker(tmp_path / "new" / "state")
    (path,) = (tmp_path / "new" / "state").iterdir()
    assert path.name == "celery.one@lab.tally"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_second_of_one_name_goes_on_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, and touches nothing of the first one's."""
    first = Worker(tmp_path)
    first.receive(1)
    second = Worker(tmp_path)
    assert (second.store, second.failures) == (None, ["taken"])
    assert "another worker that lives is called one@lab" in caplog.text
    second.receive(1, 2, 3)
    first.die()
    assert Worker(tmp_path).value(catalog.RECEIVED, *BUY) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:100],
        lambda data: b"#!/bin/sh\n" + data,
        lambda data: data[:12] + b"\7\0\0\0" + data[16:],
        lambda data: data[:40] + b"?" + data[41:],
    ],
    ids=["truncated", "foreign", "of another version", "torn"],
)
def test_what_cannot_be_read_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    """With a warning and a count; the worker starts, and its new file is durable."""
    first = Worker(tmp_path, start=11)
    first.die()
    (path,) = tmp_path.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    second = Worker(tmp_path, start=22)
    assert second.failures == ["damaged"]
    assert second.mapped.start_unix_nano == 22
    assert names(tmp_path) == ["celery.one@lab.tally", "celery.one@lab.tally.damaged"]
    assert "cannot be read" in caplog.text


def test_a_worker_that_died_before_it_said_anything_left_nothing(tmp_path: Path) -> None:
    """A file of zeros is a beginning, not damage."""
    (tmp_path / "celery.one@lab.tally").write_bytes(bytes(4096))
    assert Worker(tmp_path).failures == []


def test_a_directory_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Counting goes on in memory, and the log says so."""
    (tmp_path / "file").touch()
    worker = Worker(tmp_path / "file" / "state")
    worker.receive(1)
    assert worker.failures == ["unwritable"]
    assert worker.value(catalog.RECEIVED, *BUY) == 1
    assert "counts in memory" in caplog.text


def test_a_disk_that_is_full_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Counts go on in memory where they were; the file is gone, so nobody continues half of it."""
    resource = pytest.importorskip("resource", reason="POSIX has limits to the size of a file")
    monkeypatch.setattr(cells, "SIZE", 64)
    worker = Worker(tmp_path)
    worker.receive(1, 2)
    size = (tmp_path / "celery.one@lab.tally").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        for number in range(2000):
            worker.lifecycle.deliveries.received((number, f"task-{number}", "lab", ()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert worker.failures == ["unwritable"]
    assert "cannot grow" in caplog.text
    assert worker.value(catalog.RECEIVED, *BUY) == 2
    assert worker.value(catalog.RECEIVED, "task-1500", "lab") == 1
    assert names(tmp_path) == []


def test_another_resource_is_another_life(tmp_path: Path) -> None:
    """The collector would count it twice if it went on; so the old one is left, to be sent."""
    first = Worker(tmp_path, start=11, version="1")
    first.receive(1)
    first.die()
    second = Worker(tmp_path, start=22, version="2")
    assert second.mapped.start_unix_nano == 22
    assert second.value(catalog.RECEIVED, *BUY) == 0
    assert names(tmp_path) == ["celery.one@lab.11.left", "celery.one@lab.tally"]
    collector = Collector()
    flushed = left.flush(tmp_path / "celery.one@lab.11.left", collector)
    assert (flushed.fate, flushed.lost) == (Fate.SENT, 1)
    ((head, said),) = collector.got
    assert (head.start_unix_nano, head.resource["version"]) == (11, "1")
    assert said["celery.task.lost", (*BUY, "worker_died")] == (1,)
    up = [name for name, _ in said if name == "celery.worker.up"]
    assert up == [], "who lives under that name says so itself"


def test_another_run_of_the_system_is_another_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system had not written when it stopped is missing in the file."""
    Worker(tmp_path, start=11).die()
    monkeypatch.setattr(opening, "_boot", lambda: "another")
    assert Worker(tmp_path, start=22).mapped.start_unix_nano == 22
    assert "celery.one@lab.11.left" in names(tmp_path)


def test_what_is_left_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond it lives are forgotten, aloud."""
    monkeypatch.setattr(files, "LEFT_MAX", 2)
    failures = []
    for version in range(4):
        worker = Worker(tmp_path, start=version, version=str(version))
        failures += worker.failures
        worker.die()
    assert failures == ["too_many"]
    assert "portless flush" in caplog.text
    assert len(list(tmp_path.glob("*.left"))) == 2


def test_the_last_word_of_a_worker_that_cannot_speak(tmp_path: Path) -> None:
    """Its own name and beginning, what was in hand lost; sent until it is taken, once."""
    worker = Worker(tmp_path, start=11)
    worker.receive(1, 2)
    worker.tallies.numbers[worker.tallies.cell(catalog.QUEUE_LENGTH, "lab")] = 7
    (path,) = tmp_path.iterdir()
    collector = Collector(takes=False)
    assert left.flush(path, collector).fate is Fate.LIVES
    worker.die()
    assert left.flush(path, collector).fate is Fate.REFUSED
    (path,) = left.candidates(tmp_path)
    collector.takes = True
    assert left.flush(path, collector) == (path, Fate.SENT, 2)
    assert names(tmp_path) == []
    (_, refused), (head, said) = collector.got
    assert refused == said
    assert (head.start_unix_nano, head.resource) == (11, RESOURCE)
    assert said["celery.task.received", BUY] == (2,)
    assert said["celery.task.lost", (*BUY, "worker_died")] == (2,)
    assert said["celery.worker.tasks.reserved", ("one@lab",)] == (0,)
    up = [name for name, _ in said if name == "celery.worker.up"]
    assert up == [], "it did not stop: an alert tells that from a last word of its own"
    assert not any(name == "celery.queue.length" for name, _ in said)


def test_a_worker_that_comes_back_while_others_speak_for_it_is_not_kept_waiting(
    tmp_path: Path,
) -> None:
    """It begins anew at once: what it had counted is under way."""
    Worker(tmp_path, start=11).die()
    (path,) = tmp_path.iterdir()
    again: list[Worker] = []

    def send(_head: Head, _readings: list[Reading]) -> bool:
        again.append(Worker(tmp_path, start=22))
        return True

    assert left.flush(path, send).fate is Fate.SENT
    assert again[0].failures == []
    assert again[0].mapped.start_unix_nano == 22
    assert names(tmp_path) == ["celery.one@lab.tally"]


def test_neighbours_are_patient_with_who_may_come_back(tmp_path: Path) -> None:
    """A file has to be free for a while; one that was left is sent at once, one at a time."""
    Worker(tmp_path, start=11, version="1").die()
    Worker(tmp_path, start=22, version="2").die()
    living = Worker(tmp_path, **{"service.instance.id": "two@lab"})
    collector = Collector()
    neighbours = Neighbours(tmp_path, collector)
    first = neighbours.visit(0.0)
    assert first is not None
    assert first.path.name == "celery.one@lab.11.left"
    assert neighbours.visit(1.0) is None
    assert neighbours.visit(59.0) is None
    second = neighbours.visit(70.0)
    assert second is not None
    assert (second.path.name, second.fate) == ("celery.one@lab.tally", Fate.SENT)
    assert neighbours.visit(200.0) is None
    assert names(tmp_path) == ["celery.two@lab.tally"]
    living.die()


def test_a_worker_that_came_back_in_time_is_left_alone(tmp_path: Path) -> None:
    """Patience begins anew with each death."""
    Worker(tmp_path).die()
    neighbours = Neighbours(tmp_path, Collector())
    neighbours.visit(0.0)
    worker = Worker(tmp_path)
    neighbours.visit(50.0)
    worker.die()
    assert neighbours.visit(61.0) is None
    assert neighbours.visit(130.0) is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_leaves_its_parent_s_file_alone(tmp_path: Path) -> None:
    """It counts into nothing, and its parent's lock ends with the parent, not with the child."""
    worker = Worker(tmp_path)
    worker.receive(1)
    reader, writer = os.pipe()
    forgot, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        worker.mapped.forget()
        worker.tallies.moved()
        worker.receive(2, 3)
        os.write(ready, b".")
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        os.read(forgot, 1)
        path = tmp_path / "celery.one@lab.tally"
        assert is_held(path)
        worker.die()
        assert not is_held(path), "though the child lives"
    finally:
        for descriptor in (writer, forgot, ready):
            os.close(descriptor)
        assert os.waitpid(pid, 0)[1] == 0
    assert Worker(tmp_path).value(catalog.RECEIVED, *BUY) == 1


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Also of one that was killed: nothing has to be cleaned up by hand."""
    path = tmp_path / "celery.one@lab.tally"
    script = (
        "import pathlib, sys, time\n"
        "from telemetry.state.held import hold\n"
        "held = hold(pathlib.Path(sys.argv[1]), create=True)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    assert is_held(path)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert not is_held(path)
    hold(path).close()


def test_names_fit_every_file_system() -> None:
    """No separators, no end, and two long names stay two."""
    slashes = files.name(RESOURCE | {"service.instance.id": "../../etc/passwd"})
    assert "/" not in slashes
    one, two = (files.name(RESOURCE | {"service.instance.id": "ä" * 300 + end}) for end in "ab")
    assert one != two
    assert len(one) < 200


def test_a_file_that_was_swapped_is_not_taken_for_the_one_that_is_there(tmp_path: Path) -> None:
    """Whoever waited for the lock of a file that was renamed meanwhile opens the new one."""
    path = tmp_path / "celery.one@lab.tally"
    path.touch()
    stale = Held(path, os.open(path, os.O_RDWR))
    path.replace(tmp_path / "old")
    held = hold(path, create=True)
    assert held.path.stat().st_ino != os.fstat(stale._descriptor).st_ino
    held.close()
    stale.close()


def test_numbers_stand_where_the_file_says(tmp_path: Path) -> None:
    """What a reader of the layout finds is what was counted."""
    worker = Worker(tmp_path)
    worker.receive(*range(5))
    contents = layout.decode((tmp_path / "celery.one@lab.tally").read_bytes())
    found = {(reading.metric.name, reading.attributes): cell for reading, cell in contents.series}
    cell = found["celery.task.received", BUY]
    data = (tmp_path / "celery.one@lab.tally").read_bytes()
    assert struct.unpack_from("=d", data, 8 * cell) == (5,)


def test_attributes_of_the_user_s_go_on_too(tmp_path: Path) -> None:
    """What headers gave to the metrics is found again; other headers are another life."""
    metrics = catalog.lifting(("tenant_id",))

    def begun(start: int) -> tuple[Mapped, Tallies, Lifecycle]:
        store = open_store(tmp_path, RESOURCE, start, [].append, metrics.values())
        assert store is not None
        tallies = Tallies(store=store)
        lifecycle = Lifecycle(tallies, ("tenant_id",), 1)
        lifecycle.apply(WorkerStarted("one@lab"))
        return store, tallies, lifecycle

    store, _, lifecycle = begun(11)
    lifecycle.deliveries.received((1, *BUY, ("acme",)))
    lifecycle.deliveries.received((2, *BUY, ("acme",)))
    lifecycle.deliveries.ended((1, "success", "", 0.0))
    store._held.close()
    store, tallies, lifecycle = begun(22)
    assert store.start_unix_nano == 11
    lost = tallies.cell(metrics[catalog.LOST], *BUY, "acme", "worker_died")
    assert tallies.numbers[lost] == 1
    lifecycle.deliveries.received((3, *BUY, ("beta",)))
    other = tallies.cell(metrics[catalog.RECEIVED], *BUY, "other")
    assert tallies.numbers[other] == 1, "the limit goes on as well"
    store._held.close()
    assert Worker(tmp_path, start=33).mapped.start_unix_nano == 33
