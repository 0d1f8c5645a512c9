"""A pipeline's rules, run on the streams of one frame after the other.

In: a frame, then the attributes of its streams one by one. Out: what the rules leave of each, as
frame and attributes. Rules that look at no value do the same to all streams of a frame that have
the same keys: they are run once on *blanks*, and where these come out says where each value goes.
What the rules took is counted by key in `redacted.py`.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.model import Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from collector.model import Attributes, Stream
    from collector.redacted import Redacted
    from collector.rule import Rewrite

    Left: TypeAlias = tuple[Stream, Attributes]
    """A stream that rules left, as its frame and its attributes."""

FRAMES_MAX = 1000
"""Frames of which it is remembered what becomes of their streams; beyond, it starts anew."""
TEMPLATES_MAX = 1000
"""Sets of keys of one frame; likewise."""
_key = itemgetter(0)
_BLANK = "blank"
"""The type of no value that anybody sends."""


class Rewriting:
    """The rules; `is_blind` says that they look at no value of a point's attribute."""

    def __init__(self, rewrite: Rewrite, redacted: Redacted, *, is_blind: bool) -> None:
        self._rewrite = rewrite
        self._redacted = redacted
        self._is_blind = is_blind
        self._frames: dict[tuple[Stream, str], Framed] = {}

    def of(self, frame: Stream) -> Framed:
        """Return the rules on streams of a frame."""
        key = frame, frame.description  # which a stream is not told apart by
        found = self._frames.get(key)
        if found is None:
            if len(self._frames) >= FRAMES_MAX:
                self._frames.clear()
            found = Framed(self._rewrite, self._redacted, frame, is_blind=self._is_blind)
            self._frames[key] = found
        return found


class Framed:
    """The rules on the streams of one frame."""

    def __init__(
        self, rewrite: Rewrite, redacted: Redacted, frame: Stream, *, is_blind: bool
    ) -> None:
        self._rewrite = rewrite
        self._redacted = redacted
        self._frame = frame
        self._is_blind = is_blind
        self._templates: dict[tuple[str, ...], Template | None] = {}
        """By keys; None where there was one stream so far, or where no template serves."""

    def __call__(self, attributes: Attributes) -> Left | None:
        """Return what is left of a stream, None if a rule drops it."""
        keys = tuple([key for key, _ in attributes])
        template = self._templates.get(keys) or self._template(keys)
        if template is None:
            return self._run(attributes)
        frame, fill, lost = template
        if frame is None:
            return None
        self._redacted.count(lost)
        return frame, fill(attributes)

    def alike(self, many: Sequence[Attributes]) -> Template | None:
        """Return what becomes of streams if it is the same for all; they are not counted here."""
        keys = {tuple(map(_key, attributes)) for attributes in many}
        if len(keys) > 1:
            return None
        (only,) = keys
        return self._templates.get(only) or self._template(only) or self._template(only)

    def count(self, template: Template, streams: int) -> None:
        """Count streams of which a template says what becomes."""
        self._redacted.count(template.lost, streams)

    def _run(self, attributes: Attributes) -> Left | None:
        """Run the rules on a stream."""
        stream = self._frame.but(attributes=attributes)
        left = self._rewrite(stream)
        if left is None:
            return None
        self._redacted.count(self._redacted.lost(stream, left))
        return left.frame, left.attributes

    def _template(self, keys: tuple[str, ...]) -> Template | None:
        """Return the template for these keys; it is not worth making one for a single stream."""
        if not self._is_blind:
            return None
        if keys in self._templates:
            made = self._templates[keys] = self._make(keys)
            return made
        if len(self._templates) >= TEMPLATES_MAX:
            self._templates.clear()
        self._templates[keys] = None
        return None

    def _make(self, keys: Sequence[str]) -> Template | None:
        """Run the rules on blanks; None where one of these leaves the point's attributes."""
        blanks = tuple([(key, Typed(_BLANK, str(at))) for at, key in enumerate(keys)])
        stream = self._frame.but(attributes=blanks)
        left = self._rewrite(stream)
        if left is None:
            return Template(None, tuple, ())
        around = (*left.resource, *left.scope.attributes)
        if any(_is_blank(value) for _, value in around):
            return None
        fill = _filling(left.attributes, keys)
        return Template(left.frame, fill, self._redacted.lost(stream, left))


class Template(NamedTuple):
    """What becomes of the streams of a frame that have the same keys."""

    frame: Stream | None
    """None where they are dropped."""
    fill: Callable[[Attributes], Attributes]
    """Makes of a stream's attributes those that are left."""
    lost: Iterable[str]
    """Keys that the rules took."""


def _is_blank(value: object) -> bool:
    return isinstance(value, Typed) and value.type == _BLANK


def _filling(left: Attributes, keys: Sequence[str]) -> Callable[[Attributes], Attributes]:
    """Return what puts the values of a stream where its blanks came out."""
    pieces = [
        (key, int(value.text) if isinstance(value, Typed) and _is_blank(value) else None, value)
        for key, value in left
    ]
    places = [at for key, at, _ in pieces if at is not None and keys[at] == key]
    if len(places) < len(pieces):
        return lambda attributes: tuple(
            [(key, value if at is None else attributes[at][1]) for key, at, value in pieces]
        )
    if len(places) > 1:
        return itemgetter(*places)
    return lambda attributes: tuple([attributes[at] for at in places])
