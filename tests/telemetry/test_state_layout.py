"""The bytes of a state file: whole, or refused; never believed by half."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import catalog
from telemetry.catalog import Kind, Metric
from telemetry.state import layout
from telemetry.state.layout import Contents, Damaged, Head
from telemetry.tally import width

HEAD = Head(
    1_764_000_000_000_000_000,
    "5d2c1d0e",
    {"service.name": "celery", "service.instance.id": "one@lab", "many": ["a", 1, True]},
)
SERIES = (
    (catalog.RECEIVED, ("shop.buy", "lab"), (9.0,)),
    (catalog.SUCCESS, ("shop.buy", "lab"), (7.0,)),
    (catalog.LOST, ("shop.buy", "läb\ud800", "worker_lost"), (1.0,)),
    (catalog.QUEUE_WAIT, ("shop.buy", "lab"), (1.25, *(float(i) for i in range(18)))),
    (catalog.UP, ("one@lab",), (1.0,)),
)


def written(head: Head = HEAD) -> bytes:
    """A file with all of `SERIES`, in room for more."""
    data = bytearray(layout.encode_head(head))
    for metric, values, numbers in SERIES:
        series = layout.encode_series(head.metrics.index(metric), values, width(metric))
        data += series[: layout.numbers_at(series)] + struct.pack(f"={len(numbers)}d", *numbers)
        struct.pack_into("=Q", data, layout.SEAL_AT, layout.seal(len(data)))
    return bytes(data) + bytes(1000)


DATA = written()
CONTENTS = layout.decode(DATA)
NUMBERS_AT = {
    byte
    for series in CONTENTS.series
    for byte in range(8 * series.cell, 8 * (series.cell + len(series.reading.numbers)))
}
"""Every byte that counting changes: these bear no checksum."""


def names(contents: Contents) -> list[tuple[Metric, tuple[str, ...], int]]:
    """What is not a number."""
    return [(*series.reading[:2], series.cell) for series in contents.series]


def test_what_was_written_is_read() -> None:
    """A head, every series and its numbers; metrics are the catalogue's own."""
    assert CONTENTS.head == HEAD
    found = [tuple(series.reading) for series in CONTENTS.series]
    assert found == list(SERIES)


def test_a_file_explains_itself() -> None:
    """Metrics of another version's catalogue come with all that a push needs."""
    buckets = (0.5, 2.0)
    other = Metric("celery.old", Kind.HISTOGRAM, "s", "What it was.", ("a",), buckets=buckets)
    head = HEAD._replace(metrics=(other,), outcomes=("celery.old",))
    data = bytearray(layout.encode_head(head) + layout.encode_series(0, ("x",), width(other)))
    struct.pack_into("=Q", data, layout.SEAL_AT, layout.seal(len(data)))
    (found,) = layout.decode(bytes(data)).series
    metric = found.reading.metric
    assert (metric.name, metric.kind, metric.unit, metric.help) == tuple(
        getattr(other, field) for field in ("name", "kind", "unit", "help")
    )
    assert (metric.attributes, metric.buckets) == (("a",), buckets)
    assert found.reading.numbers == (0.0,) * 4
    assert not layout.decode(bytes(data)).head.continues(HEAD)


@given(st.integers(0, len(DATA)))
def test_a_file_cut_short_is_refused(length: int) -> None:
    """Anywhere before the seal's end; what is behind it is room."""
    if length >= CONTENTS.end:
        assert layout.decode(DATA[:length]) == CONTENTS
    else:
        with pytest.raises(Damaged):
            layout.decode(DATA[:length])


@given(st.sets(st.integers(0, 8 * CONTENTS.end - 1), min_size=1, max_size=4))
def test_flipped_bits_are_found_or_change_a_number_and_nothing_else(bits: set[int]) -> None:
    """No name, no width and no neighbour is ever read differently, and no number that none is."""
    data = bytearray(DATA)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    changed = {bit // 8 for bit in bits}
    try:
        found = layout.decode(bytes(data))
    except Damaged:
        return
    assert found.head == HEAD
    assert names(found) == names(CONTENTS)
    for now, before in zip(found.series, CONTENTS.series):
        cells = range(8 * now.cell, 8 * (now.cell + len(now.reading.numbers)))
        if not changed & set(cells):
            assert now == before
        assert now.reading.metric.kind is Kind.GAUGE or all(n >= 0 for n in now.reading.numbers)


@given(st.sampled_from(sorted(set(range(CONTENTS.end)) - NUMBERS_AT)), st.integers(0, 7))
def test_a_flipped_bit_outside_of_the_numbers_is_found(byte: int, bit: int) -> None:
    """Or it is in padding, and nothing is read differently."""
    data = bytearray(DATA)
    data[byte] ^= 1 << bit
    try:
        assert layout.decode(bytes(data)) == CONTENTS
    except Damaged:
        return
    assert DATA[byte] == 0


@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_refused(data: bytes) -> None:
    """Whatever it is, it is said to be damaged."""
    for foreign in (data, layout.MAGIC + data, DATA[:32] + data, DATA[:200] + data):
        with pytest.raises(Damaged):
            layout.decode(foreign)


def test_the_message_says_what_is_wrong() -> None:
    """Another program's file, another version's, another machine's."""
    with pytest.raises(Damaged, match="no state file"):
        layout.decode(b"SQLite format 3\0" * 10)
    with pytest.raises(Damaged, match=f"has version {layout.VERSION + 1}"):
        layout.decode(DATA[:12] + struct.pack("=I", layout.VERSION + 1) + DATA[16:])
    with pytest.raises(Damaged, match="byte order"):
        layout.decode(DATA[:8] + DATA[8:12][::-1] + DATA[12:])
    with pytest.raises(Damaged, match="none that anybody counted"):
        layout.decode(bytes(numbered(float("nan"))))
    with pytest.raises(Damaged, match="none that anybody counted"):
        layout.decode(bytes(numbered(0.5)))


def numbered(value: float) -> bytearray:
    """The file with this number of messages received."""
    data = bytearray(DATA)
    struct.pack_into("=d", data, 8 * CONTENTS.series[0].cell, value)
    return data


def test_the_same_life_goes_on_only_under_the_same_head() -> None:
    """Resource, boot and catalogue; since when it counts is what it brings along."""
    assert CONTENTS.head.continues(HEAD._replace(start_unix_nano=5))
    assert not CONTENTS.head.continues(HEAD._replace(boot="another"))
    assert not CONTENTS.head.continues(HEAD._replace(resource={"service.name": "celery"}))
    assert not CONTENTS.head.continues(HEAD._replace(metrics=HEAD.metrics[1:]))
