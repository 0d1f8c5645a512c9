"""Protocol Buffers' wire format, one field at a time, decoding nothing that is not asked for.

Bytes and a range go in, field positions come out (https://protobuf.dev/programming-guides/encoding).
It knows no message: which field means what is its callers' knowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""The wire types; 3 and 4, groups, are `Unusual`."""


class Unusual(Exception):  # noqa: N818 - it is a fork in the road, not a fault
    """Bytes for the standard decoder to judge: broken, or legal but never seen in practice.

    Whoever catches it decodes with the standard library and, if that accepts the bytes, comes back
    with their canonical encoding.
    """


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that starts at `at` and the position behind it.

    Raises IndexError where the data ends first, Unusual beyond 64 bits.
    """
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise Unusual
    return value & 0xFFFF_FFFF_FFFF_FFFF, at


def signed(data: bytes, at: int) -> int:
    """Return the sint32 that starts at `at`: zigzag, the sign in the lowest bit."""
    folded = varint(data, at)[0] & 0xFFFF_FFFF
    return (folded >> 1) ^ -(folded & 1)


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, start, stop) of each field's payload between `at` and `end`.

    A VARINT's payload is the varint itself. Raises Unusual or IndexError for anything that does
    not fill the range exactly.
    """
    while at < end:
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = varint(data, at - 1)
        wire_type = tag & 7
        if wire_type == LENGTH:
            size = data[at]
            at += 1
            if size >= 0x80:
                size, at = varint(data, at - 1)
            stop = at + size
        elif wire_type == FIXED64:
            stop = at + 8
        elif wire_type == VARINT:
            stop = varint(data, at)[1]
        elif wire_type == FIXED32:
            stop = at + 4
        else:
            raise Unusual
        if stop > end or tag < 8:
            raise Unusual
        yield tag >> 3, wire_type, at, stop
        at = stop


def repeated(data: bytes, at: int, end: int, tag: int) -> tuple[list[tuple[int, int]], int]:
    """Return the ranges of LENGTH fields with one tag, of one byte, that follow each other.

    The first stands at `at`; also where what follows them begins. Raises as `fields`.
    """
    found = []
    while at < end and data[at] == tag:
        size, start = data[at + 1], at + 2
        if size >= 0x80:
            size, start = varint(data, at + 1)
        at = start + size
        found.append((start, at))
    if at > end:
        raise Unusual
    return found, at
