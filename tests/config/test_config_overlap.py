"""A glob and a template meet exactly when some value of the placeholders makes a file that the source would find."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.config.overlap import can_match, is_excluded
from tailrace.pipeline.source.tail.finder import Finder

ALPHABET = "ab."
VALUES = ["".join(letters) for length in (1, 2, 3) for letters in product(ALPHABET, repeat=length)]

glob_names = st.lists(st.sampled_from(["a", "b", ".", "*", "?", "[ab]", "[!a]"]), min_size=1, max_size=3).map("".join)
glob_names = glob_names.filter(lambda name: name not in (".", ".."))
globs = st.lists(glob_names | st.just("**"), min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
template_names = st.lists(st.sampled_from(["a", "b", "."]), max_size=2).map("".join)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A path with one placeholder at most, so that all its short values can be tried."""
    names = draw(st.lists(template_names.filter(lambda name: name not in ("", ".", "..")), min_size=1, max_size=3))
    if draw(st.booleans()):
        names[-1] = draw(template_names) + "{x}" + draw(template_names)
    return "/" + "/".join(names)


@given(globs, templates())
@example("/a/.?", "/a/{x}.")
def test_a_glob_meets_a_template_exactly_when_a_value_makes_it(pattern: str, template: str) -> None:
    finder = Finder([pattern])
    made = [path for path in (template.replace("{x}", value) for value in VALUES) if finder.matches(path.encode())]
    if made and all(path.endswith(("/.", "/..")) for path in made):
        return  # no file has these names, so either answer is right
    assert can_match(pattern, template) == bool(made)


@given(glob_names | globs, templates())
def test_excludes_are_those_of_the_source(pattern: str, template: str) -> None:
    path = template.replace("{x}", "x")
    finder = Finder([path.replace(".", "[.]") if "/." not in path else path], [pattern])
    assert is_excluded([pattern], template) != finder.matches(path.encode())


@pytest.mark.parametrize(
    ("pattern", "template", "meets"),
    [
        ("/d/*.log", "/d/{time:%Y}.log", True),
        ("/d/*.log", "/d/{time:%Y/%m}.log", False),
        ("/d/*/*.log", "/d/{time:%Y/%m}.log", True),
        ("/d/{a}", "/d/{{a}}", True),
        ("/d/{a}", "/d/{{b}}", False),
        ("/d/**", "/d/a/b/c", True),
        ("/d/**/x", "/d/x", True),
        ("/d/**", "/e/a", False),
        ("/d/[[]a", "/d/[a", True),
        ("/d/*", "/d/.hidden", False),
    ],
)
def test_what_meets(pattern: str, template: str, *, meets: bool) -> None:
    assert can_match(pattern, template) is meets
