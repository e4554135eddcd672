"""Regular expressions as other tools have them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.patterns.dialect import compile_pattern


@pytest.fixture(autouse=True)
def _warnings_are_shown() -> Iterator[None]:
    """As when the command runs, in which a warning is no error by itself."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    assert seen == []


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (r"(?<a>x)\(?<(?<=<)(?<!y)", r"(?P<a>x)\(?<(?<=<)(?<!y)"),
        (r"(?<été>x)", r"(?P<été>x)"),
        (r"a\z", r"a\Z"),
        (r"[[:alpha:]_]+", "[A-Za-z_]+"),
        (r"[^[:space:]]", r"[^\x09-\x0d ]"),
        (r"[-[:digit:].[:xdigit:]-]", "[-0-9.0-9A-Fa-f-]"),
        (r"[][:blank:]]", r"[]\x09 ]"),
        (r"[^][:word:]]", r"[^]0-9A-Z_a-z]"),
        (r"[[:^digit:]]", r"[\x00-/:-\U0010ffff]"),
        (r"[(?<a>\]](?<b>y)", r"[(?<a>\]](?P<b>y)"),
        (r"[\[:alpha:]", r"[\[:alpha:]"),
        (r"(?#(?<a>[[:alpha:]])(?<b>x)", r"(?#(?<a>[[:alpha:]])(?P<b>x)"),
        ("(?x) [[:digit:]] # [[(?i) here\n (?<a>b)", "(?x) [0-9] # [[(?i) here\n (?P<a>b)"),
        (r"(?i)a(?i:b)(?-i:c)(?>d)e++\N{BULLET}\\h\\Q", r"(?i)a(?i:b)(?-i:c)(?>d)e++\N{BULLET}\\h\\Q"),
        (r"[a[b]", r"[a[b]"),
        ("", ""),
    ],
)
def test_what_has_the_same_meaning_is_translated(source: str, written: str) -> None:
    assert compile_pattern(source).pattern == written


POSIX: dict[str, Callable[[str], bool]] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "ascii": str.isascii,
    "blank": lambda c: c in " \t",
    "cntrl": lambda c: c < " " or c == "\x7f",
    "digit": str.isdigit,
    "graph": lambda c: "!" <= c <= "~",
    "lower": str.islower,
    "print": lambda c: " " <= c <= "~",
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "space": lambda c: c in " \t\n\r\v\f",
    "upper": str.isupper,
    "word": lambda c: c.isalnum() or c == "_",
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}


@pytest.mark.parametrize("name", POSIX)
def test_posix_classes_are_those_of_ascii(name: str) -> None:
    inside, outside = compile_pattern(f"[[:{name}:]]"), compile_pattern(f"[[:^{name}:]]")
    for character in [*map(chr, range(256)), "é", "\u0661", "\uffff", "😀", "\U0010ffff"]:
        expected = character.isascii() and POSIX[name](character)
        assert bool(inside.fullmatch(character)) == expected, character
        assert bool(outside.fullmatch(character)) != expected, character


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (r"ab\h+", r"\h at position 2 is not of Python's syntax; write [ \t] for a blank (PCRE, Java), [0-9A-Fa-f]"),
        (r"[\H]", r"\H at position 1 "),
        (r"\p{L}", r"\p{L} at position 0 is not of Python's syntax; write [^\W\d_]"),
        (r"\P{L}", r"write [\W\d_]"),
        (r"\pN", r"\pN at position 0 is not of Python's syntax; write \d"),
        (r"\P{Nd}", r"write \D"),
        (r"\P{Lu}", r"write [^A-Z]"),
        (r"\p{^Lu}", r"write [^A-Z]"),
        (r"\p{Greek}", r"name the characters"),
        (r"a\Qb.c\Ed", r"\Qb.c\E at position 1 is not of Python's syntax; write b\.c"),
        (r"a\Qb.c", r"write b\.c"),
        (r"\x{41}", r"write \x41"),
        (r"\x{20ac}", r"write \u20ac"),
        (r"\u{1F600}", r"write \U0001f600"),
        (r"\x{110000}", r"there is no such character"),
        (r"\cC", r"write \x03"),
        (r"\e\[", r"write \x1b"),
        (r"a\Gb", r"\G at position 1"),
        (r"a\Kb", r"\K at position 1 is not of Python's syntax; leave it out"),
        (r"a\R", r"write (?:\r\n|\n|\r)"),
        (r"\X", "write . for one character"),
        (r"\N", r"write [^\n]"),
        (r"(?<a>x)\k<a>", r"\k<a> at position 7 is not of Python's syntax; write (?P=a)"),
        (r"(?<a>x)\g{a}", r"write (?P=a)"),
        (r"(x)\g1", r"write \1"),
        (r"(?<a>x\g<a>?)", "recursion"),
        (r"a(?R)?b", "(?R) at position 1 is not of Python's syntax; Python's re calls no groups and has no recursion"),
        (r"(a(?1)?b)", "recursion"),
        (r"(?<a>x)(?&a)", "recursion"),
        (r"(?P<a>x)(?P>a)", "recursion"),
        (r"(?(DEFINE)(?<a>x))", "recursion"),
        (r"(?'a'x)", "(?'a' at position 0 is not of Python's syntax; write (?P<a>"),
        (r"(?<a>x)?(?(<a>)y)", "write (?(a)"),
        (r"(?|(a)|(b))", "names of their own"),
        (r"(?~x)", "look-ahead"),
        (r"(*UTF8)a", "(*UTF8) at position 0 is not of Python's syntax; Python's re has no such verbs"),
        (r"(?<my-name>x)", "(?<my-name> at position 0 is not of Python's syntax; a group's name is of letters"),
        (r"(?P<a.b>x)", "a group's name is of letters"),
        (r"a(?i)b", "(?i) at position 1 is not of Python's syntax; put it in front of the whole pattern"),
        (r"(?-i)b", "write (?-i:...) around"),
        (r"(?U)b", "no flag U"),
        (r"x[:alpha:]+", "[:alpha:] at position 1 is not of Python's syntax; it stands in no set: write [[:alpha:]]"),
        (r"[[:alfa:]]", "[:alfa:] at position 1 is no class of characters; did you mean [:alpha:]?"),
        (r"[[:zzzz:]]", "the classes are alnum, alpha"),
        (r"[[=e=]]", "[=e=] at position 1 is no class of characters; write the characters themselves"),
        (r"(?<a>x)[[b]", r"Possible nested set at position 8, near '[b]': Python has no sets in sets"),
        (r"[a-z&&[^b]]", "Possible set intersection at position 4"),
        (r"[a--b]", "Possible set difference at position 2"),
        (r"(?<a>x)(?<b>y", "missing ), unterminated subpattern at position 7, near '(?<b>y'"),
        (r"(?<a>x)[", "unterminated character set at position 7"),
        (r"(?<a>x){99999999999}", "the repetition number is too large"),
        ("(" * 5000 + ")" * 5000, "is not a valid regular expression"),
    ],
)  # fmt: skip
def test_what_python_lacks_is_refused_with_the_place_and_what_to_write(source: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        compile_pattern(source)
    assert why in str(refused.value)


@given(st.text(alphabet=r"[]:^-\(?<>P=!#)&|~alphdigtz*+{},.QEkx1 i"))
def test_any_text_compiles_as_python_has_it_or_is_refused(source: str) -> None:
    try:
        pattern = compile_pattern(source).pattern
    except ValueError:
        return
    re.compile(pattern)
