"""What pool processes have not exported yet, in memory that they share with their worker.

A process that is killed cannot tell what it takes with it. So each counts here, where its worker
still sees it, the tasks that began and ended in it and how many of those were over when the
collector took its last export. Comes in: those counts, from the pool process of a slot. Goes out:
the difference, to whoever buries the process. It knows no task, no metric and no process.

The memory is mapped before the pool has any process, so every fork has it; a cell has one writer.
"""

from __future__ import annotations

import mmap

SLOTS_MAX = 4096
"""Pool processes of one worker; those beyond are not watched here. 128 KiB, of which a page is
touched for every 128 slots that are used."""
_CELLS = 4
_BEGUN, _ENDED, _EXPORTED, _USED = range(_CELLS)


class Slots:
    """The slots of one worker's pool."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, SLOTS_MAX * _CELLS * 8)).cast("Q")

    def slot(self, index: int) -> Slot | None:
        """The slot with this index; None beyond `SLOTS_MAX`."""
        if not 0 <= index < SLOTS_MAX:
            return None
        return Slot(self._cells[index * _CELLS : (index + 1) * _CELLS])

    def unexported(self, index: int) -> int:
        """The tasks that ran since the last export of the process in this slot, as of now.

        0 while no process of the pool ever had anything of the user's to export: what never used an
        instrument takes nothing with it.
        """
        slot = self.slot(index)
        if slot is None or not any(self._cells[_USED::_CELLS]):
            return 0
        return slot.unexported()


class Slot:
    """One pool process's cells; it writes them, its worker reads them."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def begin(self) -> None:
        """A new process fills the slot."""
        self._cells[_BEGUN] = self._cells[_ENDED] = self._cells[_EXPORTED] = 0

    def task_begins(self, **_: object) -> None:
        """A task begins to run in the process; a handler of Celery's signal, for every task."""
        self._cells[_BEGUN] += 1

    def task_ends(self, **_: object) -> None:
        """It has run, whatever became of it; likewise."""
        self._cells[_ENDED] += 1

    def ended(self) -> int:
        """The tasks that are over: whatever they recorded is in an export that begins now."""
        return self._cells[_ENDED]

    def exported(self, ended: int, *, used: bool) -> None:
        """What those tasks recorded was exported; `used` if the user's instruments had anything."""
        self._cells[_EXPORTED] = ended
        if used:
            self._cells[_USED] = 1

    def unexported(self) -> int:
        """The tasks that began and were not over at the last export."""
        return max(0, self._cells[_BEGUN] - self._cells[_EXPORTED])
