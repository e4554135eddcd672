"""Parse stages that read a field instead of the line, or put what they make into a field."""

from __future__ import annotations

from typing import Any

from tailrace.pipeline.batch import Event, Fail, Lines, Origin, Skip
from tailrace.pipeline.chain.ansi import strip_text
from tailrace.pipeline.stage import Parse


class ParsedInto:
    """The stage's events, each in the field ``into`` of an event that has nothing else."""

    def __init__(self, stage: Parse, into: str) -> None:
        self.stage = stage
        self._into = into
        self.verbatim = getattr(stage, "verbatim", False)
        self.plain = getattr(stage, "plain", False)

    def parse(self, lines: Lines) -> list[Event | Fail | Skip]:
        into = self._into
        return [entry if isinstance(entry, (Fail, Skip)) else {into: entry} for entry in self.stage.parse(lines)]


class ParsedField:
    """An enrichment by a parse stage: it is given the text of ``field``, and what it makes goes into the event, at the
    top level or as the field ``into``. Not ``overwrite``: fields that the event has already stay as they are; null
    never takes their place. An event whose field the stage skips is left out.

    Fails, beside what the stage fails with: ``missing_field`` (absent, null, empty), ``bad_type`` (not a text).
    """

    def __init__(self, stage: Parse, field: str, into: str, *, overwrite: bool) -> None:
        self.stage = stage
        self._field, self._into, self._overwrite = field, into, overwrite
        self.plain = getattr(stage, "plain", False)
        self._verbatim = getattr(stage, "verbatim", False)
        self._origin: Origin | None = None

    def locate(self, origin: Origin) -> None:
        self._origin = origin

    def process(self, events: list[Event]) -> list[Event | Fail | Skip]:
        assert self._origin is not None
        field = self._field
        texts = [event.get(field) for event in events]
        if not self._verbatim:
            texts = [strip_text(text) if type(text) is str else text for text in texts]
        if {*map(type, texts)} == {str} and "" not in texts:
            entries = self._parse(texts)
        else:
            entries = [_unsuitable(text) for text in texts]
            at = [i for i, entry in enumerate(entries) if entry is None]
            for i, entry in zip(at, self._parse([texts[i] for i in at]) if at else [], strict=True):
                entries[i] = entry
        return list(map(self._merged, events, entries))

    def _parse(self, texts: list[Any]) -> Any:
        assert self._origin is not None
        records = [text.encode("utf-8", "surrogatepass") for text in texts]
        return self.stage.parse(Lines.of(records, self._origin))

    def _merged(self, event: Event, entry: Any) -> Event | Fail | Skip:
        if type(entry) is dict:
            if self._into:
                if self._overwrite or self._into not in event:
                    event[self._into] = entry
            elif self._overwrite:
                if None in entry.values():  # a part that is not there takes the place of nothing
                    entry = {name: value for name, value in entry.items() if value is not None or name not in event}
                event.update(entry)
            else:
                for name, value in entry.items():
                    event.setdefault(name, value)
            return event
        if isinstance(entry, Skip):
            return entry
        if not isinstance(entry, Fail):
            return Fail("bad_result", f"the parser gave {type(entry).__name__}; expected an event (a dict)", event)
        return Fail(entry.code, f"field {self._field!r}: {entry.why}", event, entry.trace)


def unwrapped(stage: Any) -> Any:
    """The stage itself where it is a parser that reads or fills a field."""
    return stage.stage if isinstance(stage, ParsedField | ParsedInto) else stage


def _unsuitable(text: Any) -> Fail | None:
    """Why the field cannot be parsed."""
    if text is None:
        return Fail("missing_field", "the event has none; `when` can leave such events out")
    if not isinstance(text, str):
        return Fail("bad_type", f"holds a value of type {type(text).__name__}, not a text")
    return None if text else Fail("missing_field", "is empty; `when` can leave such events out")
