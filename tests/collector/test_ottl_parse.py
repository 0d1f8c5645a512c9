"""The text of a statement or condition becomes a tree, with the column of each part."""

from __future__ import annotations

import pytest

from collector.ottl import parse
from collector.ottl.tree import (
    All,
    Any,
    Argument,
    Call,
    Comparison,
    Items,
    Literal,
    Name,
    Not,
    Path,
    Refused,
    Statement,
)

TRUE, FALSE = (Literal(column, value) for column, value in ((1, True), (1, False)))
STATEMENTS = [
    ("set()", Statement(Call(1, "set", ()), None)),
    (
        ' set(a.b["c"][0], d = [1, nil]) where true',
        Statement(
            Call(
                2,
                "set",
                (
                    Argument("", Path(6, ("a", "b"), ("c", 0))),
                    Argument("d", Items(24, (Literal(24, 1), Literal(27, None)))),
                ),
            ),
            Literal(39, True),
        ),
    ),
    (
        "x(Concat([], A), false)",
        Statement(
            Call(
                1,
                "x",
                (
                    Argument(
                        "",
                        Call(
                            3, "Concat", (Argument("", Items(0, ())), Argument("", Name(14, "A")))
                        ),
                    ),
                    Argument("", Literal(18, False)),
                ),
            )
        ),
    ),
    # A list stands where its first part that has a column stands.
    ("x([[b], A()])", Statement(Call(1, "x", (Argument("", Items(5, (
        Items(5, (Path(5, ("b",)),)), Call(9, "A", ())))),)))),
]  # fmt: skip
CONDITIONS = [
    ("true", TRUE),
    ("false", FALSE),
    ("(((false)))", Literal(4, False)),
    ("not true", Not(Literal(5, True))),
    (
        'a == 1 and not b != "c" or A() and false or true',
        Any(
            (
                All(
                    (
                        Comparison(3, Path(1, ("a",)), "==", Literal(6, 1)),
                        Not(Comparison(18, Path(16, ("b",)), "!=", Literal(21, "c"))),
                    )
                ),
                All((Call(28, "A", ()), Literal(36, False))),
                Literal(45, True),
            )
        ),
    ),
]


@pytest.mark.parametrize(("text", "tree"), STATEMENTS)
def test_statements(text: str, tree: Statement) -> None:
    """An editor with arguments of every form, and the condition behind it."""
    assert parse.statement(text) == tree


@pytest.mark.parametrize(("text", "tree"), CONDITIONS)
def test_conditions(text: str, tree: object) -> None:
    """`and` binds closer than `or`, `not` closer than both, and brackets leave no trace."""
    assert parse.condition(text) == tree


VALUES = [
    # Escapes of Go, each at the ends of what they reach.
    (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
    (r'"\x00\x4a\x7F"', "\0J\x7f"),
    (r'"\u0080\uD7ff\ue000\uFFFF"', "\x80\ud7ff\ue000\uffff"),
    (r'"\U0010ffffz"', "\U0010ffffz"),
    ('"ä\t…"', "ä\t…"),
    ('""', ""),
    # Numbers, at the ends of 64 bits.
    ("0", 0),
    ("+5", 5),
    ("-07", -7),
    (f"{2**63 - 1}", 2**63 - 1),
    (f"-{2**63}", -(2**63)),
    ("0" * 5000 + "10", 10),
    ("1.", 1.0),
    ("-.5e-1", -0.05),
    ("+1.0E+300", 1e300),
    (f"{2**63}.0", 2.0**63),
]


@pytest.mark.parametrize(("written", "value"), VALUES)
def test_values(written: str, value: object) -> None:
    """A text is what Go makes of it; a number is whole where it is written so."""
    argument = parse.statement(f"x({written})").editor.arguments[0].value
    assert isinstance(argument, Literal)
    assert argument.value == value
    assert type(argument.value) is type(value)


REFUSED = [
    ("true " + "(" * 51, 56, "more than 50 brackets in one another"),
    ("true " + "()" * 60 + "([" * 25 + "(", 176, "more than 50 brackets in one another"),
    ("X" * 60 + "(" * 51, 111, "more than 50 brackets in one another"),
    ("(" * 50, 51, "this ends too early"),
    ("#", 1, "# is not expected here"),
    ("true #", 6, "# is not expected here"),
    ("true true", 6, "true is not expected here"),
    ("", 1, "this ends too early"),
    ("a[1.5] == 1", 3, "a key is a text or a whole number"),
    (r'a == "b\q"', 8, r"\q is no escape"),
    ('a == "b\\\n"', 6, "a text that does not end in its line"),
    (r'a == "b\x80"', 8, r"\x80 is no character"),
    (r'a == "\uD800"', 7, r"\uD800 is no character"),
    (r'a == "\uDFFF"', 7, r"\uDFFF is no character"),
    (r'a == "\U00110000"', 7, r"\U00110000 is no character"),
    (f"a == -{2**63 + 1}", 6, "a number beyond 64 bits"),
    (f"a == {'1' * 5000}", 6, "a number beyond 64 bits"),
    ("a == ٣", 6, "٣ is not expected here"),
    (f"a == {2**63}", 6, "a number beyond 64 bits"),
    ("a == -1.0e400", 6, "a number beyond 64 bits"),
]


@pytest.mark.parametrize(("text", "column", "what"), REFUSED)
def test_refused(text: str, column: int, what: str) -> None:
    """The column is that of the character that is wrong, counted from one."""
    with pytest.raises(Refused) as caught:
        parse.condition(text)
    assert str(caught.value) == f"column {column}: {what}"


@pytest.mark.parametrize(
    "deep", ["(" * 50 + "true" + ")" * 50, "(true) and " * 60 + "(true)", f'a == "{"X" * 60}"']
)
def test_brackets_within_the_limit(deep: str) -> None:
    """Fifty in one another are read, and any number beside each other."""
    parse.condition(deep)
