from __future__ import annotations

import os

import pytest

from telemetry.slots import SLOTS_MAX, Slot, Slots


def filled(slots: Slots, index: int) -> Slot:
    """A slot with a process that has just begun."""
    slot = slots.slot(index)
    assert slot is not None
    slot.begin()
    return slot


def test_what_ran_since_the_last_export_is_unexported() -> None:
    """A task that runs while it is exported may record more: it counts as not exported."""
    slots = Slots()
    slot = filled(slots, 1)
    for _ in range(3):
        slot.task_begins()
        slot.task_ends()
    slot.task_begins()
    ended = slot.ended()
    slot.task_ends()
    slot.exported(ended, used=True)
    assert slots.unexported(1) == 1
    slot.exported(slot.ended(), used=True)
    assert slots.unexported(1) == 0
    slot.task_begins()
    assert slots.unexported(1) == 1
    slot.begin()
    assert slots.unexported(1) == 0


def test_without_instruments_nothing_is_lost() -> None:
    """Until any process of the pool had something of the user's to export."""
    slots = Slots()
    slot = filled(slots, 0)
    slot.task_begins()
    slot.exported(0, used=False)
    assert slots.unexported(0) == 0
    filled(slots, 5).exported(0, used=True)
    assert slots.unexported(0) == 1


def test_there_is_an_end() -> None:
    """A pool larger than the memory is no error; what is beyond is not watched."""
    slots = Slots()
    filled(slots, SLOTS_MAX - 1).exported(0, used=True)
    assert slots.slot(SLOTS_MAX) is None
    assert slots.unexported(SLOTS_MAX) == 0
    assert slots.slot(-1) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_the_parent_sees_what_a_killed_child_counted() -> None:
    """The memory is shared: it outlives the process that wrote it."""
    slots = Slots()
    pid = os.fork()
    if not pid:
        slot = filled(slots, 2)
        slot.exported(0, used=True)
        slot.task_begins()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert slots.unexported(2) == 1
