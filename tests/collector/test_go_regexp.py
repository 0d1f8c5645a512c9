"""A pattern matches here what it matches in Go, or is refused."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import go_regexp

# Recorded from regexp.MatchString of Go 1.26.
MATCHES = [
    (r"\.(age|lag|max)$", "queue.age", True),
    (r"\.(age|lag|max)$", "queue.age\n", False),
    (r"\.(age|lag|max)$", "queue.ages", False),
    ("age", "x.age.y", True),
    (".*", "", True),
    (".", "\n", False),
    ("^$", "", True),
    ("$a", "a", False),
    ("a$b|c", "c", True),
    (r"\A\z", "", True),
    (r"\d", "٣", False),
    (r"\D", "٣", True),
    (r"\w", "é", False),
    (r"\W", "é", True),
    (r"\s", "\v", False),
    (r"[\s]", "\v", False),
    (r"\bé", " é", False),
    (r"[^\d]", "1", False),
    (r"[\d-z]", "-", True),
    (r"[a\-z]", "-", True),
    ("[a-]", "-", True),
    ("[a-c-e]", "-", True),
    ("[]a]", "]", True),
    ("[^]a]", "]", False),
    ("[[a]", "[", True),
    (r"[\n]", "\n", True),
    ("]}", "]}", True),
    ("a{2}", "aa", True),
    ("x{0}", "", True),
    ("a*?b", "b", True),
    ("a??", "a", True),
    ("()", "", True),
    ("(|a)", "", True),
    ("a||b", "", True),
    ("(?:a|b)", "b", True),
    ("(?i)MAX", "a.max", True),
    ("(?i)k", "K", True),
    ("(?i)[a-z]", "ſ", True),
    ("(?i)ß", "ẞ", True),
    ("(?i)[^k]", "K", False),
    ("(?i:a)b", "Ab", True),
    ("(?i:a)b", "AB", False),
    ("é+", "éé", True),
    (r"\<\-\_\ ", "<-_ ", True),
    (r"\a\f\t\v\r", "\a\f\t\v\r", True),
]

# Go refuses these as well.
BROKEN = [
    "(a",
    "a)",
    "*a",
    "a**",
    "a*+",
    "a???",
    "a{2}{3}",
    "x{3,2}",
    "a{1001}",
    "[z-a]",
    "[]",
    "\\",
]
BROKEN += ["(?=a)", "(?!a)", "(?<=a)b", "(?P=n)", "(?#x)a", r"\1", r"\Z", r"\u0041", r"[\b]"]
# Go takes these; the two languages write or read them differently.
GO_ONLY = [r"\pL", r"\Qa.b\E", r"\x41", r"\101", "[[:alpha:]]", r"[^\D]"]
GO_ONLY += ["(?s).", "(?m)^a$", "(?U)a+", "a(?i)b", "(?i-s:a)", "a{,2}b", "a{2", "{", "^*"]


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES)
def test_a_pattern_matches_as_in_go(pattern: str, text: str, expected: bool) -> None:
    """Searched, not anchored; classes are ASCII and `$` is the very end."""
    assert bool(go_regexp.compile(pattern).search(text)) is expected


@pytest.mark.parametrize("pattern", BROKEN + GO_ONLY)
def test_a_pattern_that_is_not_in_both_is_refused(pattern: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(go_regexp.Unsupported):
        go_regexp.compile(pattern)


REPLACED = [
    # Pattern, template, text, and what Go's ReplaceAllString makes of them.
    ("a", "-", "xabyab", "x-by-b"),
    ("a*", "-", "abab", "-b-b-"),
    ("a*", "-", "bbb", "-b-b-b-"),
    ("b|", "-", "aab", "-a-a-"),
    ("|b", "-", "aab", "-a-a-b-"),
    ("^a", "-", "aab", "-ab"),
    (r"\b", "-", "x y", "-x- -y-"),
    ("é*", "-", "éaé", "-a-"),
    ("(a)(b)?", "$2$1", "ab a", "ba a"),
    ("(a)(b)?", "${1}x", "ab a", "ax ax"),
    ("(a)(b)?", "$1x", "ab a", " "),
    ("(a)(b)?", "$3", "ab a", " "),
    ("(?P<n>a+)(?<m>b*)", "${m}-$n", "aab", "b-aa"),
    ("a", "$$1", "a", "$1"),
    ("a", "${", "a", "${"),
    ("a", "$", "a", "$"),
    ("a", "$é", "a", ""),
]


@pytest.mark.parametrize(("pattern", "template", "text", "expected"), REPLACED)
def test_matches_are_replaced_as_in_go(
    pattern: str, template: str, text: str, expected: str
) -> None:
    """Also where nothing is matched, and where the template names what is not there."""
    compiled = go_regexp.compile(pattern)
    assert go_regexp.replace_all(compiled, template, text) == expected


def test_what_is_put_in_goes_through_a_function() -> None:
    """The function sees the template filled in, and not what stays."""
    compiled = go_regexp.compile("<(.)>")
    assert go_regexp.replace_all(compiled, "$1$1", "a<b>c<d>", str.upper) == "aBBcDD"


@given(st.text(alphabet=r"ab01.-^$|?*+()[]{}\dwsbBAzni:,P<>=!&~é" + "\n"), st.text("ab01.\né"))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    """No pattern crashes, none makes Python warn of what it may mean one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled = go_regexp.compile(pattern)
        except go_regexp.Unsupported:
            return
    compiled.search(text[:20])
