"""Streams, numbered: what the points of one metric have in common is kept once.

A stream is its *frame*, all but the attributes of its point, and these. Of many streams there are
few frames, so that a stream costs an entry in a dictionary. It knows no rules and no numbers but
those that it gives out; a number that was given back is given out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from collector.model import Attributes, Stream


class Register:
    """Streams by number, and numbers by stream."""

    def __init__(self) -> None:
        self._frames: dict[Stream, dict[Attributes, int]] = {}
        self._frame_of: list[Stream | None] = []
        """By number; None where it is free."""
        self._attributes_of: list[Attributes] = []
        self._free: list[int] = []
        self._latest: Stream | None = None
        self._numbers: dict[Attributes, int] = {}
        """Of the frame that was asked for last, which is asked for again and again."""

    def __len__(self) -> int:
        return self.size - len(self._free)

    def __iter__(self) -> Iterator[tuple[int, Stream]]:
        for number, frame in enumerate(self._frame_of):
            if frame is not None:
                yield number, self.stream(number)

    @property
    def size(self) -> int:
        """Numbers are below this."""
        return len(self._frame_of)

    @property
    def free(self) -> list[int]:
        """The numbers that are nobody's."""
        return self._free

    @property
    def next(self) -> int:
        """The number that is given out next."""
        return self._free[-1] if self._free else self.size

    def numbers(self, frame: Stream) -> Mapping[Attributes, int]:
        """Return the numbers of a frame's streams by their attributes."""
        if frame is not self._latest:
            self._latest, self._numbers = frame, self._frames.get(frame, {})
        return self._numbers

    def find(self, stream: Stream) -> int | None:
        """Return a stream's number, if it has one."""
        return self.numbers(stream.frame).get(stream.attributes)

    def add(self, frame: Stream, attributes: Attributes) -> int:
        """Give a number to a stream that has none."""
        if not self.numbers(frame):
            self._frames[frame] = self._numbers
        number = self._numbers[attributes] = self.next
        if self._free:
            self._free.pop()
            self._frame_of[number], self._attributes_of[number] = frame, attributes
        else:
            self._frame_of.append(frame)
            self._attributes_of.append(attributes)
        return number

    def add_all(self, frame: Stream, many: Sequence[Attributes]) -> list[int]:
        """Give numbers to streams of a frame that have none; no two are the same."""
        again = min(len(many), len(self._free))
        numbers = [self._free.pop() for _ in range(again)]
        numbers += range(self.size, self.size + len(many) - again)
        if not self.numbers(frame):
            self._frames[frame] = self._numbers
        self._numbers.update(zip(many, numbers))
        for number, attributes in zip(numbers[:again], many):
            self._frame_of[number], self._attributes_of[number] = frame, attributes
        self._frame_of += [frame] * (len(many) - again)
        self._attributes_of += many[again:]
        return numbers

    def stream(self, number: int) -> Stream:
        """Return the stream of a number; raises LookupError where it is free."""
        frame = self._frame_of[number]
        if frame is None:
            raise LookupError(number)
        return frame.but(attributes=self._attributes_of[number])

    def frame(self, number: int) -> Stream:
        """Return the frame of a stream by its number; raises LookupError where it is free."""
        frame = self._frame_of[number]
        if frame is None:
            raise LookupError(number)
        return frame

    def remove(self, number: int) -> None:
        """Forget a stream."""
        frame = self.frame(number)
        numbers = self._frames[frame]
        del numbers[self._attributes_of[number]]
        if not numbers:
            del self._frames[frame]
            self._latest = None
        self._frame_of[number], self._attributes_of[number] = None, ()
        self._free.append(number)

    def copied(self) -> Register:
        """Return a copy to read streams from by their numbers."""
        twin = Register()
        twin._frame_of, twin._attributes_of = list(self._frame_of), list(self._attributes_of)
        return twin
