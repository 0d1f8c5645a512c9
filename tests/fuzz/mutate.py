"""Inputs out of others: a seeded generator of changes, so that a run can be had again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BYTES_MAX = 1 << 16
EDGES = (0, 1, 0x0A, 0x0D, 0x1A, 0x20, 0x22, 0x7F, 0x80, 0xC0, 0xF8, 0xFF)
"""Bytes at which readers change their minds."""
TIMES_MAX = 40
"""How often a piece may be repeated."""


def mutations(inputs: Sequence[bytes], seed: str) -> Iterator[bytes]:
    """Yield changed inputs without end; the same for the same arguments, which are not empty."""
    chance = Random(seed)
    while True:
        data = bytearray(chance.choice(inputs))
        for _ in range(1 + int(chance.expovariate(0.7))):
            chance.choice(_CHANGES)(data, inputs, chance)
        yield bytes(data[:BYTES_MAX])


def _place(data: bytearray, chance: Random) -> slice:
    """Choose some bytes, mostly few."""
    start = chance.randint(0, len(data))
    return slice(start, start + min(int(chance.expovariate(0.15)), len(data)))


def _set(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    if data:
        byte = chance.choice(EDGES) if chance.random() < 0.5 else chance.randrange(256)
        data[chance.randrange(len(data))] = byte


def _flip(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _step(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """Make a byte a little larger or smaller, as where it is a length."""
    if data:
        at = chance.randrange(len(data))
        data[at] = (data[at] + chance.choice((-2, -1, 1, 2))) % 256


def _delete(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    del data[_place(data, chance)]


def _repeat(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    where = _place(data, chance)
    data[where] = bytes(data[where]) * chance.randint(2, TIMES_MAX)


def _insert(data: bytearray, inputs: Sequence[bytes], chance: Random) -> None:
    """Put a piece of another input somewhere."""
    other = bytearray(chance.choice(inputs))
    at = chance.randint(0, len(data))
    data[at:at] = other[_place(other, chance)]


def _splice(data: bytearray, inputs: Sequence[bytes], chance: Random) -> None:
    """Go on as another input does."""
    other = chance.choice(inputs)
    data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]


_CHANGES = (_set, _set, _flip, _step, _delete, _repeat, _insert, _splice)
