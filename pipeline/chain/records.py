"""The bytes of a piece as records: which are handed to the parser, and where each begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import accumulate
from typing import Any

from tailrace.pipeline.batch import Lines, Origin
from tailrace.pipeline.chain.ansi import strip
from tailrace.pipeline.encoding import UTF8, Encoding
from tailrace.pipeline.framing import Framer, lines_of

BOM = b"\xef\xbb\xbf"


class Records:
    """The lines of ``piece``, which begins at ``start`` in its stream, that are not empty.

    ``data`` are those lines joined by newlines, without carriage returns before the newlines, without a byte order
    mark at the beginning of the stream and, unless they are wanted ``verbatim``, without a terminal's colours;
    ``ended`` each with its newline, which the last one lacks. ``total`` counts all lines, ``empty`` those that are
    left out, and ``invalid`` are the indexes of those whose bytes are not text of the encoding they are ``written_in``.
    """

    __slots__ = ("_find", "_size", "data", "empty", "ended", "invalid", "places", "total")

    def __init__(self, piece: bytes, start: int, written_in: Encoding = UTF8, *, verbatim: bool = False) -> None:
        self.invalid: Sequence[int] = ()
        utf8 = piece if written_in.is_utf8 else written_in.to_utf8(piece)
        whole = utf8 if verbatim else strip(utf8)
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
        self.places = Places(piece, start, written_in, verbatim=verbatim)
        if not (piece.isascii() and written_in.width == 1) and not written_in.is_text(piece):
            self.invalid = self.places.invalid()
        self._find, self._size = partial(written_in.find, piece), len(piece)

    @property
    def filled(self) -> bool:
        return bool(self.data)

    def scattered(self, begin: int) -> bytes | None:  # noqa: ARG002
        """A line is one range of bytes."""
        return None

    def lines(self, origin: Origin) -> Lines:
        """What a parse stage is given."""
        return Lines(self.data, origin, self.ended)

    def lengths(self, begins: Sequence[int]) -> list[int]:
        """Of the records that begin there in the piece, without their newlines."""
        find, size = self._find, self._size
        return [(end if (end := find(at)) >= 0 else size) - at for at in begins]


class FramedRecords:
    """The same of records of several lines; ``groups`` are the indexes of each record's lines, in the order in which
    they begin. Of each, the empty lines at its end are left out. Mostly a record is one range of bytes; one whose lines
    stand between those of others is several."""

    def __init__(
        self, piece: bytes, start: int, written_in: Encoding, lines: Sequence[bytes], ends: Sequence[int],
        groups: Sequence[Sequence[int]], *, verbatim: bool,
    ) -> None:  # fmt: skip
        self._piece, self._newline, self._ends = piece, written_in.newline, ends
        begins = [self._begin(group[0]) for group in groups]
        if written_in.is_utf8:
            records = list(map(self._bytes, groups))
        else:
            records = [b"".join([lines[index] for index in group]) for group in groups]
        if not verbatim and b"\x1b" in piece:
            records = list(map(strip, records))
        if start == 0:
            records[0] = records[0].removeprefix(BOM)
        if b"\r" in piece:
            records = [record.replace(b"\r\n", b"\n") for record in records]
        records = [record.rstrip(b"\r\n") for record in records]
        self.total = len(records)
        self._groups = {begin: group for begin, group, record in zip(begins, groups, records, strict=True) if record}
        self._records = list(filter(None, records))
        self.empty = self.total - len(self._records)
        self.places = [start + begin for begin in self._groups]
        self.invalid: list[int] = []
        if not (piece.isascii() and written_in.width == 1) and not written_in.is_text(piece):
            raw = map(self._bytes, self._groups.values())
            self.invalid = [index for index, record in enumerate(raw) if not written_in.is_text(record)]

    def _begin(self, line: int) -> int:
        return self._ends[line - 1] if line else 0

    def _bytes(self, group: Sequence[int]) -> bytes:
        """As the file has them."""
        first, last = group[0], group[-1]
        if last - first < len(group):
            return self._piece[self._begin(first) : self._ends[last]]
        return b"".join([self._piece[self._begin(index) : self._ends[index]] for index in group])

    @property
    def filled(self) -> bool:
        return bool(self._records)

    def lines(self, origin: Origin) -> Lines:
        return Lines.of(self._records, origin)

    def lengths(self, begins: Sequence[int]) -> list[int]:
        """Of one that is several ranges, all of them."""
        return [len(self._bytes(self._groups[at]).removesuffix(self._newline)) for at in begins]

    def scattered(self, begin: int) -> bytes | None:
        """The bytes of the record that begins there, if they are several ranges."""
        group = self._groups[begin]
        if group[-1] - group[0] < len(group):
            return None
        return self._bytes(group).removesuffix(self._newline)


def records_of(
    piece: bytes, start: int, written_in: Encoding, framer: Framer | None, *, verbatim: bool
) -> Records | FramedRecords:
    """``framer``: of records of several lines, if there may be any."""
    if framer is not None and not framer.plain(piece, written_in):
        lines, ends = lines_of(piece, written_in)
        starts = framer.starts(lines, ends)
        if len(starts) < len(lines):
            stops = [*starts[1:], len(lines)]
            groups = [
                group for begin, stop in zip(starts, stops, strict=True) for group in _parts(framer, lines, begin, stop)
            ]
            return FramedRecords(piece, start, written_in, lines, ends, groups, verbatim=verbatim)
    return Records(piece, start, written_in, verbatim=verbatim)


def _parts(framer: Framer, lines: Sequence[bytes], begin: int, stop: int) -> Iterator[Sequence[int]]:
    """Of each record of a group, the indexes of its lines."""
    if stop - begin < 3:  # none can stand between two others
        yield range(begin, stop)
    else:
        yield from ([begin + index for index in part] for part in framer.parts(lines[begin:stop]))


class Places(Sequence[int]):
    """Where each line that is not empty begins in its stream; worked out only when somebody asks."""

    def __init__(self, piece: bytes, start: int, written_in: Encoding = UTF8, *, verbatim: bool = False) -> None:
        self._piece, self._start, self._verbatim = piece, start, verbatim
        self._encoding = written_in
        self._known: list[int] | None = None

    def _places(self) -> list[int]:
        if self._known is None:
            width = self._encoding.width
            lines = self._encoding.split(self._piece)
            begins = list(accumulate((len(line) + width for line in lines), initial=self._start))
            self._known = [at for at, line in zip(begins, self._seen(lines), strict=False) if line not in (b"", b"\r")]
        return self._known

    def _seen(self, lines: list[bytes]) -> list[bytes]:
        """The lines as far as it matters whether they are empty."""
        data = self._piece if self._encoding.is_utf8 else self._encoding.to_utf8(self._piece)
        if not self._verbatim:
            data = strip(data)
        seen = lines if data is self._piece else data.split(b"\n")
        return [seen[0].removeprefix(BOM), *seen[1:]] if self._start == 0 else seen

    def invalid(self) -> list[int]:
        """The indexes of lines with bytes that are no text."""
        lines = self._encoding.split(self._piece)
        both = zip(lines, self._seen(lines), strict=True)
        filled = [line for line, seen in both if seen not in (b"", b"\r")]
        return [index for index, line in enumerate(filled) if not self._encoding.is_text(line)]

    def __getitem__(self, index: Any) -> Any:
        return self._places()[index]

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[int]:
        return iter(self._places())
