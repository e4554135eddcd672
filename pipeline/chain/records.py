"""The bytes of a piece as records: which are handed to the parser, and where each begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from typing import Any

from tailrace.pipeline.chain.ansi import strip

BOM = b"\xef\xbb\xbf"


class Records:
    """The lines of ``piece``, which begins at ``start`` in its stream, that are not empty.

    ``data`` are those lines joined by newlines, without carriage returns before the newlines, without a byte order
    mark at the beginning of the stream and, unless they are wanted ``verbatim``, without a terminal's colours;
    ``ended`` each with its newline, which the last one lacks. ``total`` counts all lines, ``empty`` those that are
    left out.
    """

    __slots__ = ("data", "empty", "ended", "places", "total")

    def __init__(self, piece: bytes, start: int, *, verbatim: bool = False) -> None:
        whole = piece if verbatim else strip(piece)
        data = whole[:-1] if whole.endswith(b"\n") else whole
        if start == 0:
            data = data.removeprefix(BOM)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
        ended = BytesIO(data).readlines()  # a tenth of what it costs to count, or to split, or to look for two newlines
        self.total = len(ended)
        self.empty = 0
        if not data or b"\n" in ended or data.endswith(b"\n"):
            records = data.split(b"\n")
            filled = [record for record in records if record]
            self.total = len(records)
            self.empty = len(records) - len(filled)
            data = b"\n".join(filled)
            ended = BytesIO(data).readlines()
        self.data, self.ended = data, ended
        self.places = Places(piece, start, verbatim=verbatim)


class Places(Sequence[int]):
    """Where each line that is not empty begins in its stream; worked out only when somebody asks."""

    def __init__(self, piece: bytes, start: int, *, verbatim: bool = False) -> None:
        self._piece, self._start, self._verbatim = piece, start, verbatim
        self._known: list[int] | None = None

    def _places(self) -> list[int]:
        if self._known is None:
            lines = self._piece.split(b"\n")
            begins = list(accumulate((len(line) + 1 for line in lines), initial=self._start))
            if not self._verbatim:
                lines = strip(self._piece).split(b"\n")
            if self._start == 0:
                lines[0] = lines[0].removeprefix(BOM)
            self._known = [at for at, line in zip(begins, lines, strict=False) if line not in (b"", b"\r")]
        return self._known

    def __getitem__(self, index: Any) -> Any:
        return self._places()[index]

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[int]:
        return iter(self._places())
