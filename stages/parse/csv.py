"""Lines of values between delimiters, with quotes around values that hold one: ``1,"Smith, J.",ok``."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.errors import MemoryFull
from tailrace.pipeline.keys import Problems
from tailrace.pipeline.stage import Memory
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Kind, OnBadType, Types, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

_LONGEST = 2**31 - 1  # of a value; source.max_line_bytes bounds it
_MOST_COLUMNS = 4096
_MOST_FILES = 10_000  # whose headers are remembered
_FRESH = 3600.0  # seconds for which it does not matter when a header was last used
_EXTRA = "extra"

csv.field_size_limit(_LONGEST)  # 131,072 characters, else


@dataclass
class Csv:
    """One field for each of ``columns``, in their order; a string unless ``types`` (see parse.regex) converts it. An
    empty value stays empty text; where it is to be converted it is null.

    - ``header = true``: the first line of each file names the columns and is no event (it counts as filtered,
      ``header``). The names are remembered over restarts and rotation, so such a chain runs in one worker; blanks
      around them are taken off, and one that is empty is ``column3``. With ``columns`` as well, these are the names,
      and the first line is only left out. Not for a ``field``, which has no first line.
    - ``delimiter``: one character, ``"\\t"`` too. ``quote``: one character, which stands twice for itself in quotes; or
      ``""``, and there are none.
    - More values than columns: ``extra = "error"`` fails (``no_match``), ``"keep"`` puts the rest as an array into the
      field ``extra``, ``"drop"`` leaves them out. Fewer: ``missing = "error"`` or ``"null"``.

    Fails: ``no_match`` (also a quote that is not closed, and lines of a file whose header is not known), ``bad_type``,
    ``bad_timestamp``, ``too_large`` (a header of more than 4,096 columns).

    Example::

        [[stages]]
        use = "parse.csv"
        header = true
        types = { time = "timestamp", amount = "float" }

    Lines::

        time,user,amount,note
        2026-02-02T10:30:45Z,ann,12.50,"two, in a box"
        2026-02-02T10:30:46Z,bob,,"for ""Kim"" only"
        2026-02-02T10:30:47Z,ann,7.00
    """

    plain: ClassVar[bool] = True

    columns: list[str] = field(default_factory=list)  # the names of the fields
    header: bool = False  # the first line of each file names the columns
    delimiter: str = ","  # one character
    quote: str = '"'  # one character; "": there are no quotes
    extra: Literal["error", "keep", "drop"] = "error"  # of a line with more values than columns
    missing: Literal["error", "null"] = "error"  # of a line with fewer
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.columns and not self.header:
            problems.add("", 'name the `columns`, such as columns = ["time", "user"], or say header = true')
        for index, name in enumerate(self.columns):
            if not name or name in self.columns[:index]:
                problems.add(f"columns[{index}]", f"{name!r} is there already" if name else "is empty: give it a name")
        if len(self.delimiter) != 1 or self.delimiter in "\r\n\0":
            problems.add("delimiter", f"found {self.delimiter!r}, expected one character")
        if len(self.quote) > 1 or self.quote in ("\r", "\n", "\0", self.delimiter):
            problems.add("quote", f"found {self.quote!r}, expected one character, not the delimiter, or none")
        if self.columns:
            for name in [name for name in self.types if name not in self.columns]:
                near = difflib.get_close_matches(name, self.columns, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(self.columns)}"
                problems.add(f"types.{name}", f"is none of the columns; {hint}")
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        problems.check()
        quoting: dict[str, Any] = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        self._reader = partial(csv.reader, delimiter=self.delimiter, strict=True, **quoting)
        self.by_place = self.header
        if not self.columns:
            self.memory: Any = Memory()

    def parse(self, lines: Lines) -> list[Event | Fail | Skip]:
        self._types.locate(lines.origin)
        texts, columns = lines.texts, self.columns
        entries: list[Event | Fail | Skip] = []
        if self.header and lines.origin.places[0] == 0:
            entries.append(Skip("header") if columns else self._learn(texts[0], lines.origin))
            texts = texts[1:]
        if columns or (columns := self._recall(lines.origin)):
            return entries + self._events(texts, columns)
        why = "the header of this file is not known: its first line was not read, was empty, or is no header"
        return entries + [Fail("no_match", why) for _ in texts]

    def _learn(self, text: str, origin: Origin) -> Fail | Skip:
        """Remember the columns of the stream."""
        self.memory.pop(origin.key, None)
        row = self._row(text)
        if isinstance(row, Fail):
            return row
        columns = [name.strip() or f"column{number}" for number, name in enumerate(row, 1)]
        if len(columns) > _MOST_COLUMNS:
            return Fail("too_large", f"a header of {len(columns)} columns, at most {_MOST_COLUMNS} are taken")
        if len(set(columns)) < len(columns):
            twice = next(name for index, name in enumerate(columns) if name in columns[:index])
            return Fail("no_match", f"a header with the column {twice!r} twice: give names of your own as `columns`")
        self._remember(columns, origin)
        return Skip("header")

    def _recall(self, origin: Origin) -> list[str]:
        known = self.memory.get(origin.key)
        if known is None:
            return []
        columns: list[str] = known["columns"]
        if origin.clock > known["used"] + _FRESH:
            self._remember(columns, origin)
        return columns

    def _remember(self, columns: list[str], origin: Origin) -> None:
        """The header that was used least lately makes room."""
        others = self.memory.keys() - {origin.key}
        while True:
            try:
                if len(others) < _MOST_FILES:
                    self.memory[origin.key] = {"columns": columns, "used": origin.clock}
                    return
            except MemoryFull:
                if not others:
                    raise
            oldest = min(others, key=lambda key: (self.memory[key]["used"], key))
            del self.memory[oldest]
            others.discard(oldest)

    def _events(self, texts: list[str], columns: Sequence[str]) -> list[Any]:
        try:
            rows = list(self._reader(texts))
        except csv.Error:
            rows = []
        width = len(columns)
        if len(rows) == len(texts) and {*map(len, rows)} <= {width}:
            events: list[Any] = [dict(zip(columns, row, strict=True)) for row in rows]
        elif len(rows) == len(texts):
            events = [self._event(row, columns, text) for row, text in zip(rows, texts, strict=True)]
        else:  # a quote that is not closed takes in the lines behind it
            events = [self._event(self._row(text), columns, text) for text in texts]
        for name, column in self._types.columns.items():
            if self.types[name] != "string":
                for event in events:
                    if type(event) is dict and (value := event.get(name)) is not None:
                        event[name] = column[value] if value else None
        self._types.settle(events)
        return events

    def _row(self, text: str) -> list[str] | Fail:
        try:
            return next(self._reader((text,)))
        except csv.Error:
            return Fail("no_match", self._fault(text))

    def _event(self, row: list[str] | Fail, columns: Sequence[str], text: str) -> Event | Fail:
        if isinstance(row, Fail):
            return row
        event: Event = dict(zip(columns, row, strict=False))
        if len(row) > len(columns):
            if self.extra == "error":
                return Fail("no_match", f"expected {len(columns)} columns, found {len(row)}: {excerpt(text)}")
            if self.extra == "keep":
                event[_EXTRA] = row[len(columns) :]
        elif len(row) < len(columns):
            if self.missing == "error":
                return Fail("no_match", f"expected {len(columns)} columns, found {len(row)}: {excerpt(text)}")
            event |= dict.fromkeys(columns[len(row) :])
        return event

    def _fault(self, text: str) -> str:
        """Why this is no row."""
        between, quote = re.escape(self.delimiter), re.escape(self.quote)
        quoted = re.compile(f"{quote}[^{quote}]*+(?:{quote * 2}[^{quote}]*+)*+{quote}") if quote else None
        plain = re.compile(rf"[^{between}\r\n]*+")
        position = 0
        while True:
            if quoted and text.startswith(self.quote, position):
                match = quoted.match(text, position)
                if match is None:
                    return f"a quote is not closed; it begins {place(text, position)}"
                position = match.end()
                if text[position : position + 1] not in (self.delimiter, ""):
                    return f"expected {self.delimiter!r} after the closing quote {place(text, position)}"
            else:
                match = plain.match(text, position)
                assert match is not None, "it may be empty"
                position = match.end()
                if text[position : position + 1] != self.delimiter:
                    return f"a line break that is not in quotes {place(text, position)}"
            position += 1
