"""Every key of any TOML text is found, on its line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.config.locate import KeyPath, locate


def paths_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


# Values that a scanner may trip over, each over one line or more.
SCALARS = [
    "1",
    "-3.5e7",
    "true",
    "0xff",
    "1979-05-27 07:32:00Z",
    "07:32:00",
    '"plain"',
    '"[[stages]] # \\" }"',
    "'C:\\'",
    '""',
    "''",
    '"""\nk = 1\n[x]\n"""',
    '"""a""b\\" ends with a quote""""',
    '"""two quotes"""""',
    "'''\n]\n'''",
    "'''it''s'''''",
    '"""\\\n   joined"""',
]
SPACE = st.sampled_from(["", " ", "\t "])
BLANK_LINES = st.sampled_from(["\n", "\n\n", ' # comment [a] = "\n', "\r\n"])
INSIDE_LISTS = st.sampled_from(["", " ", "\n", ' # ] "\n', "\n\n\t"])


class Writer:
    """Makes a TOML text of keys that each occur once, and notes the line each is written on."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.names = (f"k{number}" for number in count())
        self.lines: dict[str, int] = {}

    def put(self, text: str) -> None:
        self.text += text

    def key(self) -> str:
        name = next(self.names)
        style = self.draw(st.sampled_from(["bare", "basic", "literal", "escaped"]))
        self.lines[name] = self.text.count("\n") + 1
        spelled = {"bare": name, "basic": f'"{name}"', "literal": f"'{name}'", "escaped": f'"\\u006b{name[1:]}"'}
        self.put(spelled[style])
        return name

    def dotted(self) -> None:
        self.key()
        for _ in range(self.draw(st.integers(0, 2))):
            self.put(self.draw(SPACE) + "." + self.draw(SPACE))
            self.key()

    def pair(self, depth: int, *, one_line: bool = False) -> None:
        self.dotted()
        self.put(self.draw(SPACE) + "=" + self.draw(SPACE))
        self.value(depth, one_line=one_line)

    def value(self, depth: int, *, one_line: bool) -> None:
        kind = self.draw(st.sampled_from(["scalar", "list", "table"] if depth else ["scalar"]))
        if kind == "scalar":
            self.put(self.draw(st.sampled_from([one for one in SCALARS if not (one_line and "\n" in one)])))
        elif kind == "list":
            space = SPACE if one_line else INSIDE_LISTS
            self.put("[")
            number = self.draw(st.integers(0, 3))
            for index in range(number):
                self.put(self.draw(space))
                self.value(depth - 1, one_line=one_line)
                self.put(self.draw(space) + ("," if index < number - 1 or self.draw(st.booleans()) else ""))
            self.put(self.draw(space) + "]")
        else:
            self.put("{ ")
            for index in range(self.draw(st.integers(0, 3))):
                self.put(", " if index else "")
                self.pair(depth - 1, one_line=True)
            self.put(" }")

    def document(self) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.put(self.draw(BLANK_LINES) + self.draw(SPACE))
            self.pair(3)
        for _ in range(self.draw(st.integers(0, 3))):
            self.put("\n" + self.draw(BLANK_LINES) + "[" + self.draw(SPACE))
            self.dotted()
            self.put(self.draw(SPACE) + "]")
            for _ in range(self.draw(st.integers(0, 2))):
                self.put(self.draw(BLANK_LINES))
                self.put("\n")
                self.pair(2)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    writer = Writer(draw)
    writer.document()
    return writer.text, writer.lines


@given(documents())
def test_every_key_is_found_on_its_line(made: tuple[str, dict[str, int]]) -> None:
    text, lines = made
    found = locate(text)
    assert set(found) == set(paths_of(tomllib.loads(text)))
    assert {path[-1]: line for path, line in found.items() if isinstance(path[-1], str)} == lines


def test_tables_of_an_array_are_counted_and_their_subtables_belong_to_the_last() -> None:
    text = """\
[source]
[[stages]]
use = "a"
values.x.y = 1
[[stages]]

[stages.values]
z = { "q q" = [1,
  2] }
[[stages.more]]
[[stages.more]]
b = 1
"""
    found = locate(text)
    assert {path: found[path] for path in paths_of(tomllib.loads(text))} == {
        ("source",): 1,
        ("stages",): 2,
        ("stages", 0): 2,
        ("stages", 0, "use"): 3,
        ("stages", 0, "values"): 4,
        ("stages", 0, "values", "x"): 4,
        ("stages", 0, "values", "x", "y"): 4,
        ("stages", 1): 5,
        ("stages", 1, "values"): 7,
        ("stages", 1, "values", "z"): 8,
        ("stages", 1, "values", "z", "q q"): 8,
        ("stages", 1, "values", "z", "q q", 0): 8,
        ("stages", 1, "values", "z", "q q", 1): 9,
        ("stages", 1, "more"): 10,
        ("stages", 1, "more", 0): 10,
        ("stages", 1, "more", 1): 11,
        ("stages", 1, "more", 1, "b"): 12,
    }
