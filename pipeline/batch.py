"""An event, a record that failed or yields none, the records of one piece and where they came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from io import BytesIO
from typing import Any, overload

Event = dict[str, Any]


@dataclass(slots=True, eq=False)
class Fail:
    """Stands in a stage's result in place of an event: this line becomes a dead letter.

    ``code`` is short and stable (``no_match``, ``bad_type``, ``bad_timestamp``, ``missing_field``, ``too_large``,
    ``time_budget``, ``rejected``, ``raised``, ``killed``); ``why`` is for people. An enrich stage passes the
    ``event`` it was given, so that the engine finds the line; a parse stage need not (its entries stand in the order
    of the lines). ``trace`` is a traceback, when there is one.
    """

    code: str
    why: str
    event: Event | None = None
    trace: str | None = None


@dataclass(slots=True, eq=False)
class Skip:
    """Stands in a stage's result in place of an event: this line is meant to yield none, such as a header line.

    It is counted as filtered by the stage, by its ``reason``: a few words, the same for all lines of a kind.
    """

    reason: str


@dataclass(slots=True)
class Origin:
    """Where the records of one piece came from. One piece is whole records of one stream."""

    name: str  # the file's name: its base name when first seen; does not change when the file is renamed
    path: str  # where it was found, escaped for printing where it is not UTF-8
    key: str  # of the stream, the same after every restart; with a place behind it, an event id
    clock: float  # seconds since the epoch: the wall clock in `run`, the file's mtime in `replay`
    year_bound: float  # seconds since the epoch: no record is from after it; guides missing years
    places: Sequence[int]  # byte offset in the stream of each record, aligned with what the stage is given next

    def part(self, at: int, count: int) -> Origin:
        """That of ``count`` records from the ``at``-th on."""
        places = self.places[at : at + count]
        return Origin(self.name, self.path, self.key, self.clock, self.year_bound, places)


class Lines(Sequence[str]):
    """Records as a parse stage is given them: a sequence of texts, none of them empty, without their ends.

    ``records`` are the same as bytes, just as the file has them or UTF-8 where it has another encoding, one by one,
    ``ended`` with a newline behind each but the last: a list that is not to be changed. ``texts`` is a list of texts,
    in which invalid UTF-8 is replaced by U+FFFD. ``data`` and ``text`` are all of them in one, joined by newlines, and
    raise ValueError if a record holds a newline itself (``several_lines``), as a field's text or lines joined to a
    record may. Each of these is made when it is first asked for: take the one that suits the parser.
    """

    __slots__ = ("_data", "_records", "_text", "_texts", "ended", "origin", "several_lines")

    def __init__(self, data: bytes, origin: Origin, ended: list[bytes] | None = None) -> None:
        self._data = data
        self.origin = origin
        self.ended = BytesIO(data).readlines() if ended is None else ended  # half of what it costs to split
        self.several_lines = False
        self._text: str | None = None
        self._texts: list[str] | None = None
        self._records: list[bytes] | None = None

    @classmethod
    def of(cls, records: list[bytes], origin: Origin) -> Lines:
        """Those of records that may hold newlines."""
        data = b"\n".join(records)
        if data.count(b"\n") == len(records) - 1:
            return cls(data, origin)
        lines = cls(data, origin, [*(record + b"\n" for record in records[:-1]), records[-1]])
        lines.several_lines = True
        lines._records = records
        return lines

    @property
    def data(self) -> bytes:
        if self.several_lines:
            raise ValueError("a record holds a newline: take the records one by one, not as one text")
        return self._data

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = str(self.data, "utf-8", "replace")
        return self._text

    @property
    def texts(self) -> list[str]:
        """A list that belongs to these lines: not to be changed."""
        if self._texts is None:
            if self.several_lines:
                self._texts = [str(record, "utf-8", "replace") for record in self.records]
            else:
                self._texts = self.text.split("\n")
        return self._texts

    @property
    def records(self) -> list[bytes]:
        """Each by itself, as the file has it; a list that belongs to these lines: not to be changed."""
        if self._records is None:
            self._records = self._data.split(b"\n")
        return self._records

    def part(self, at: int, count: int) -> Lines:
        """``count`` of them from the ``at``-th on."""
        return Lines.of(self.records[at : at + count], self.origin.part(at, count))

    def __len__(self) -> int:
        return len(self.ended)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self.texts[index]


@dataclass(slots=True, eq=False)
class Redriven:
    """What a chunk of dead letters, which are sent through the chain again, is beside its records. They are of one
    stream and failed at one stage."""

    letters: Sequence[Any]  # `state.dead_letters.Letter`, in the order of their places
    begins: Sequence[int]  # in the slot, where each begins
    stage: str  # that failed; whatever becomes of them before it is booked under its name
    number: int  # its place in the chain, from 1 on; 0: it is not there any more
    before: Container[str] = ()  # the stages before it
    sink: str = ""  # that refused them: they are for this one only
    event: int | None = None  # the number of the one that failed, of a record that had become several events
    came_back: set[int] = field(default_factory=set)  # their ids

    @property
    def stream(self) -> int:
        return int(self.letters[0].stream)

    @property
    def scattered(self) -> bool:
        """They did not stand line by line: a place in the slot says nothing of the one in the stream."""
        first = self.letters[0].offset
        return any(begin != one.offset - first for begin, one in zip(self.begins, self.letters, strict=True))

    def letter(self, at: int) -> Any:
        """The one that holds this byte of the slot."""
        return self.letters[self._index(at)]

    def place(self, at: int) -> int:
        """Where in the stream this byte of the slot is."""
        index = self._index(at)
        return int(self.letters[index].offset) + at - self.begins[index]

    def _index(self, at: int) -> int:
        return max(0, bisect_right(self.begins, at) - 1)

    def row(self, at: int) -> tuple[int | None, int]:
        """Of a failure there: the letter's own id and one more attempt; a further one is a letter of its own."""
        letter = self.letter(at)
        if letter.id in self.came_back:
            return None, 1
        self.came_back.add(letter.id)
        return letter.id, letter.attempts + 1


@dataclass(slots=True, eq=False)
class Chunk:
    """Whole lines of one generation of one file, read into a slot by the source; lines end with ``\\n``.

    Only the very last line of a finished (or replayed) file may lack its newline. A chunk with ``oversize`` holds the
    first bytes of one single over-long line instead (no worker sees it; it becomes a dead letter).
    """

    stream: int  # its number in the state
    key: str  # see Origin
    name: str
    path: str  # printable
    start: int  # byte offset in the file of the first byte in the slot
    length: int  # bytes in the slot
    end: int  # offset in the file where the next chunk begins: start + length, unless bytes were cut or skipped
    clock: float  # see Origin
    year_bound: float
    _: KW_ONLY
    oversize: int | None = None  # the over-long line's whole length in bytes, without its newline
    encoding: str = "utf-8"  # see `pipeline/encoding.py`
    fault: str | None = None  # of a chunk with ``oversize``: why it is a dead letter, if not for its length
    after: int = 0  # of what a stage has summed up: it enters the chain behind the stage with this number, from 1 on
    appended: float = 0.0  # when its oldest byte was, in seconds since the epoch, as far as that was seen; 0: unknown
    redriven: Redriven | None = None
    names: Mapping[int, str] | None = None  # of such records, by place: what their ids end with

    def place(self, at: int) -> int:
        """Where in the stream this byte of the slot is."""
        return self.start + at if self.redriven is None else self.redriven.place(at)

    def event_id(self, place: int) -> str:
        """Of the record that begins at this byte offset in the stream."""
        return f"{self.key}:{place if self.names is None else self.names[place]}"
