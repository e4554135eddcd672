"""A long text in which many things are looked for, most of them in vain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

Span = tuple[int, int]


class Text:
    """A text, and what some finders make of it, each when one asks for it first. A place means the same in all."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def small(self) -> str:
        """In small letters."""
        small = self.text.lower()
        if len(small) != len(self.text):  # a few letters become two
            small = "".join(one if len(one) == 1 else "?" for one in map(str.lower, self.text))
        return small

    @cached_property
    def shape(self) -> bytes:
        """Digits as ``0``, capital letters as ``A``, what may stand between groups of digits as a blank, all else as a
        dot: what is rare in this is found much faster than by a pattern."""
        return self.text.encode("latin-1", "replace").translate(_SHAPES)

    def places(self, word: str) -> Iterator[int]:
        """Behind each ``word``, given in small letters, whatever its case in the text."""
        return behind(self.small, word)


_SHAPES = bytes(
    ord("0" if one in b"0123456789" else "A" if 65 <= one <= 90 else " " if one in b" -" else ".") for one in range(256)
)


def behind(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        at += len(word)
        yield at
        at = text.find(word, at)
