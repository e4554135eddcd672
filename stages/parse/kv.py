"""Lines of pairs with delimiters of their own: ``user: ann, action: "log in", ok``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Annotated, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.keys import Problems, Whole
from tailrace.stages.patterns.place import place
from tailrace.stages.values.conversion import Kind, OnBadType, Types, excerpt
from tailrace.stages.values.repeated import Duplicates, gather
from tailrace.stages.values.times import DEFAULT_FORMATS

_BLANK = " "
_TAB = "\t"
_FIRST = itemgetter(0)


@dataclass
class Kv:
    """Each pair becomes a field, a string unless ``types`` (see parse.regex) converts it. For ``key=value`` with blanks
    between the pairs parse.logfmt is faster and knows more escapes.

    - ``key_value_delimiter`` stands between a key and its value, ``field_delimiter`` between the pairs; either may be
      of several characters. Where nothing stands between two field delimiters, there is no pair.
    - ``whitespace = "lenient"``: blanks and tabs around keys and values are no part of them (``a = 1`` is
      ``{"a": "1"}``), and a blank as field delimiter stands for any number of blanks and tabs. ``"strict"`` takes every
      character as it is: with a blank as field delimiter ``a= 1`` is ``{"a": "", "1": true}``.
    - A key or value that begins with one of ``quotes`` ends with the same one; in it, a backslash may stand before a
      quote or a backslash.
    - A key alone is true; with ``standalone_keys = false`` it fails.

    Fails: ``no_match`` (no pair at all, no key, an unclosed quote, text behind a closing quote), ``too_large`` (more
    than ``max_keys`` keys), ``bad_type``, ``bad_timestamp``.

    Example::

        [[stages]]
        use = "parse.kv"
        key_value_delimiter = ":"
        field_delimiter = ","
        types = { amount = "float" }

    Lines::

        user: ann, action: "log in, again", admin
        user: bob, action: pay, amount: 12.50, item: 4, item: 9
        user: "bob, action: pay
    """

    plain: ClassVar[bool] = True

    key_value_delimiter: str = "="  # between key and value; one character or more
    field_delimiter: str = _BLANK  # between the pairs; one character or more
    whitespace: Literal["lenient", "strict"] = "lenient"  # "lenient": blanks around keys and values are no part of them
    quotes: str = "\"'"  # each character is one; "": there are none
    standalone_keys: bool = True  # a key may stand alone, and is true
    duplicates: Duplicates = "array"
    max_keys: Annotated[int, Whole(1, 1_000_000, "a line with more keys is a dead letter")] = 256
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        delimiters = {key: getattr(self, key) for key in ("key_value_delimiter", "field_delimiter")}
        for key, delimiter in delimiters.items():
            if not delimiter:
                problems.add(key, "is empty: give one character or more")
            elif delimiter[0] in self.quotes:
                problems.add(key, f"begins with {delimiter[0]!r}, which is one of the `quotes`")
        between, behind = delimiters.values()
        if between and behind and (between in behind or behind in between):
            problems.add("field_delimiter", f"{behind!r} cannot be told from key_value_delimiter {between!r}")
        if bad := [quote for quote in self.quotes if quote.isalnum() or quote.isspace() or quote == "\\"]:
            problems.add("quotes", f"{bad[0]!r} cannot be a quote: expected characters such as \"'`")
        with problems.of(""):
            self._types = Types(self.types, self.on_bad_type, self.time_formats, self.timezone)
        problems.check()
        self._quotes = frozenset(self.quotes)
        self._odd: list[str] | None = None
        if behind.strip(_TAB) and between.strip(_BLANK + _TAB):
            edges = [_BLANK + between[0], _BLANK + behind[0], behind[-1] + _BLANK, _BLANK + "\n", "\n" + _BLANK]
            blanks = [
                _TAB,
                between[-1] + _BLANK,
                *([] if behind == _BLANK else edges),
            ]  # (there, none is an empty pair)
            self._odd = list(dict.fromkeys((*self.quotes, *(blanks if self.whitespace == "lenient" else []))))
        self._compile(between, behind)

    def _compile(self, between: str, behind: str) -> None:
        lenient = self.whitespace == "lenient"
        runs = lenient and behind == _BLANK  # any number of blanks stands between pairs
        blanks = "".join([c for c in _BLANK + _TAB if lenient and (runs or c != behind)])
        escaped = re.escape(between), re.escape(behind)
        blank, inner = f"[{blanks}]", blanks.replace(between, "")
        in_names = f"[{inner}]" if inner else "(?!)"
        if lenient and any(len(delimiter) > 1 and delimiter[0] in blanks for delimiter in (between, behind)):
            blank = in_names = f"(?!{'|'.join(escaped)})[{blanks}]"
        space = f"(?:{blank})*+" if blanks else ""
        before = f"(?:{in_names})*+" if inner else ""
        equals = "[ ]++" if lenient and between == _BLANK else escaped[0]
        end = blank if runs else escaped[1]
        # One character of a key or value: of a word in it, as blanks at the edges are no part of them.
        in_value = _other_than(blanks, *([] if runs else [behind]))
        in_key = _other_than(blanks, between, *([] if runs else [behind]))
        more = "" if runs or not blanks else "(?:(?:{0})++(?:{1})++)*+"
        quote = f"[{re.escape(self.quotes)}]" if self.quotes else "(?!)"
        quoted = "|".join([rf"{q}[^{q}\\]*+(?:\\.[^{q}\\]*+)*+{q}" for q in map(re.escape, self.quotes)]) or "(?!)"
        key = f"({quoted}|(?!{quote})(?:{in_key})++{more.format(in_names, in_key)})"
        value = f"({quoted}|(?!{quote})(?:{in_value})*+{more.format(blank, in_value)})"
        # Blanks that stand between pairs have been taken already where a pair ends.
        closed = rf"(?:(?<={end})|\Z)" if runs else rf"(?:{end}|\Z)"
        # Key, delimiter, value; or nothing between two delimiters; or the rest of the line from where there is none.
        pair = rf"{key}{before}(?:({equals}){space}{value}{space})?+{closed}"
        self._pairs = re.compile((rf"(?:{blank})++\Z|" if blanks else "") + rf"{space}(?:{pair}|{end}|(.+))", re.DOTALL)
        self._key = re.compile(key + before, re.DOTALL)
        self._value = re.compile(rf"{equals}{space}({quote})?", re.DOTALL)
        self._quoted = re.compile(quoted, re.DOTALL)
        self._has_quote = re.compile(quote).search
        self._escape = re.compile(rf"\\({quote}|\\)")

    def parse(self, lines: Lines) -> list[Event | Fail]:
        self._types.locate(lines.origin)
        events = self._plain(lines) if self._is_plain(lines) else [self._line(line) for line in lines.texts]
        if self.types:
            self._types.convert(events)
        return events

    def _is_plain(self, lines: Lines) -> bool:
        """Nothing stands in these lines, nor at their ends, that is more than delimiters and what is between them."""
        if self._odd is None or lines.several_lines:
            return False
        text = f"\n{lines.text}\n"
        return not any(odd in text for odd in self._odd)

    def _plain(self, lines: Lines) -> list[Event | Fail]:
        between, behind, most = self.key_value_delimiter, self.field_delimiter, self.max_keys
        events: list[Event | Fail] = []
        for line in lines.texts:
            pairs = [pair.split(between, 1) for pair in line.split(behind)]
            try:
                event: Event = dict(pairs)  # pairs, or it raises
            except ValueError:
                events.append(self._line(line))
                continue
            usual = len(event) == len(pairs) <= most and "" not in event
            events.append(event if usual else self._line(line))
        return events

    def _line(self, line: str) -> Event | Fail:
        rows = self._pairs.findall(line)
        if rows[-1][3]:
            return Fail("no_match", self._fault(line))
        event: Event
        if self._has_quote(line):
            quotes = self.quotes  # the empty text is in it, too, and stays empty
            event = {key: value[1:-1] if value[:1] in quotes else value for key, equals, value, _ in rows if equals}
            usual = "\\" not in line and self._quotes.isdisjoint(map(_FIRST, event))
        else:
            event = {key: value for key, equals, value, _ in rows if equals}
            usual = True
        return event if usual and len(event) == len(rows) <= self.max_keys else self._unusual(line, rows)

    def _unusual(self, line: str, rows: list[tuple[str, str, str, str]]) -> Event | Fail:
        meant = self._meant
        pairs = [(meant(key), meant(value) if equals else True) for key, equals, value, _ in rows if key]
        values = [equals for key, equals, _, _ in rows if key]
        if not any(values):
            return Fail("no_match", self._fault(line))
        if not self.standalone_keys and not all(values):
            return Fail("no_match", self._alone(line))
        event = gather(pairs, self.duplicates)
        if len(event) > self.max_keys:
            return Fail("too_large", f"{len(event)} keys, max_keys is {self.max_keys}")
        return event

    def _meant(self, text: str) -> str:
        """A key or value without its quotes."""
        if not text or text[0] not in self.quotes:
            return text
        return self._escape.sub(r"\1", text[1:-1])

    def _fault(self, line: str) -> str:
        """What is wrong with a line that does not consist of pairs."""
        position = next((match.start(4) for match in self._pairs.finditer(line) if match[4]), None)
        if position is None:
            return f"no key{self.key_value_delimiter}value pair in the line: {excerpt(line)}"
        key = self._key.match(line, position)
        if key is None:
            if self._has_quote(line[position]):
                return f"a key has no closing quote; it begins {place(line, position)}"
            return f"expected a key {place(line, position)}"
        value = self._value.match(line, key.end())
        name = self._meant(key[1])
        if value is None:
            delimiters = f"{self.key_value_delimiter!r} or {self.field_delimiter!r}"
            return f"expected {delimiters} after the key {name!r} {place(line, key.end())}"
        quoted = self._quoted.match(line, value.start(1))
        if quoted is None:
            return f"the value of {name!r} has no closing quote; it begins {place(line, value.start(1))}"
        after = f"expected {self.field_delimiter!r} after the closing quote of {name!r}"
        return f"{after} {place(line, quoted.end())}"

    def _alone(self, line: str) -> str:
        """Which key has no value."""
        match = next(match for match in self._pairs.finditer(line) if match[1] and not match[2])
        name = self._meant(match[1])
        return f"expected {self.key_value_delimiter!r} after the key {name!r} {place(line, match.end(1))}"


def _other_than(characters: str, *delimiters: str) -> str:
    """A pattern for one character that is none of these and does not begin a delimiter."""
    none_of = re.escape(characters + "".join([delimiter for delimiter in delimiters if len(delimiter) == 1]))
    ahead = "".join([f"(?!{re.escape(delimiter)})" for delimiter in delimiters if len(delimiter) > 1])
    return ahead + (f"[^{none_of}]" if none_of else ".")
