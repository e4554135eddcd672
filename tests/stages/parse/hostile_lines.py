"""Hostile lines for property tests: what str.splitlines, ``\\s`` and ``$`` take for special, and torn real lines."""

from __future__ import annotations

from hypothesis import strategies as st

ODD = ['"', "\\", '\\"', "\\\\", "\x00", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r", "\t", " "]
ODD += [
    "\ufeff",
    "\u0661",
    "\xa0",
    "-",
    "[",
    "]",
    "{",
    "}",
    ":",
    "=",
    ",",
    "<",
    ">",
    "/",
    "0",
    "9",
    "a",
    "é",
    "😀",
    "\ufffd",
]

anything = st.text(st.one_of(st.sampled_from("".join(ODD)), st.characters(exclude_categories=["Cs"])), min_size=1)
odd = st.lists(st.sampled_from(ODD), min_size=1, max_size=12).map("".join)


def lines_like(*samples: str) -> st.SearchStrategy[list[str]]:
    """Lists of lines: the samples, the samples with something hostile put in or cut out, and plain junk."""

    @st.composite
    def torn(draw: st.DrawFn) -> str:
        line = draw(st.sampled_from(samples))
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 12)))
        return line[:start] + draw(st.one_of(st.just(""), odd)) + line[end:]

    line = st.one_of(st.sampled_from(samples), torn(), odd, anything)
    usable = line.map(lambda text: text.replace("\n", "")).filter(bool)
    return st.lists(usable, min_size=1, max_size=8)
