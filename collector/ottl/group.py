"""Statements that run together become one rule, and conditions that drop streams another.

In: the texts of a group, each with a way to write down what is wrong with it. Out: a rule on
streams. Here the context of a group is found as the Collector finds it. It knows no YAML and no
processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from collector.ottl.conditions import Setting, owners, question
from collector.ottl.editors import rule
from collector.ottl.places import CONTEXTS
from collector.ottl.tree import Refused
from collector.rule import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from collector.model import Stream
    from collector.ottl import tree
    from collector.ottl.conditions import Question
    from collector.rule import Rewrite

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Text:
    """A statement or condition as it was written."""

    text: str
    refuse: Callable[[Refused], None]
    """Writes down why it cannot be run."""


def transform(context: str, conditions: Sequence[Text], statements: Sequence[Text]) -> Rewrite:
    """Make a rule of statements, for streams of which one of the conditions is true, if any.

    An empty context is inferred from all paths together, as the Collector does.
    """
    from collector.ottl import parse  # noqa: PLC0415 - with a parser's 7 MiB, which few need

    when = _each(parse.condition, [(text, text.text) for text in conditions])
    what = _each(parse.statement, [(text, text.text) for text in statements])
    nodes: list[tree.Condition | tree.Value] = [node for _, node in when]
    for _, statement in what:
        nodes.append(statement.editor)
        if statement.where is not None:
            nodes.append(statement.where)
    at = _setting(context, nodes)
    if at is None:
        for text, _ in what[:1]:
            text.refuse(Refused(1, "no path in this group says what it is about", _WRITE_CONTEXT))
        return _same
    questions = [made for _, made in _each(partial(question, at=at), when)]
    act = in_order([made for _, made in _each(partial(rule, at=at), what)])
    if at.context == "exemplar":
        return _same  # no exemplar leaves this engine
    if not conditions:
        return act
    return lambda stream: act(stream) if _any(questions, stream) else stream


def drop(context: str, conditions: Sequence[Text]) -> Rewrite:
    """Make a rule that drops streams of which one of the conditions is true.

    An empty context is inferred for each condition alone, as the Collector does.
    """
    from collector.ottl import parse  # noqa: PLC0415 - as above

    questions = []
    for text, node in _each(parse.condition, [(text, text.text) for text in conditions]):
        at = _setting(context, [node])
        if at is None:
            text.refuse(Refused(1, "no path says what it is about", _WRITE_CONTEXT))
        else:
            questions += _each(partial(question, at=at), [(text, node)])
    made = [each for _, each in questions]
    return lambda stream: None if _any(made, stream) else stream


_WRITE_CONTEXT = "write `context:` above, such as `context: metric`"


def _setting(context: str, nodes: list[tree.Condition | tree.Value]) -> Setting | None:
    """Where nodes stand; None where that is neither written nor to be found."""
    if context:
        return Setting(context, explicit=True)
    named = owners(nodes)
    return next((Setting(each) for each in CONTEXTS if each in named), None)


def _each(make: Callable[[T], U], things: Iterable[tuple[Text, T]]) -> list[tuple[Text, U]]:
    """Make something of each; what is refused is written down and left out."""
    made = []
    for text, thing in things:
        try:
            made.append((text, make(thing)))
        except Refused as refused:
            text.refuse(refused)
    return made


def _any(questions: list[Question], stream: Stream) -> bool:
    return any(each(stream) for each in questions)


def _same(stream: Stream) -> Stream:
    return stream
