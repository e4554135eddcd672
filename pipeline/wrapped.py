"""Lines around which a container's runtime has put something of its own: a rule of framing, by their parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailrace.pipeline.traces import Traces

# By preset: the stream, whether a part of a line follows, and the text.
WRAPPED = {
    "cri": re.compile(rb"[^ \n]+ (?P<stream>stdout|stderr) (?:(?P<part>P)|F)(?::[^ \n]*)? (?P<text>.*\n?)"),
    "docker": re.compile(
        rb'\{"log":"(?P<text>(?:[^"\\\n]|\\.)*?)(?:\\n|(?P<part>))","stream":"(?P<stream>\w+)"',
    ),
}


class Wrapped:
    """Lines of a container's runtime: a part goes on in the next line of the same stream, whatever others print between
    the two, and what they hold may be lines of a stack trace."""

    def __init__(self, name: str, trace: Traces | None) -> None:
        self._match, self._trace = WRAPPED[name].match, trace
        self._escaped = name == "docker"

    def plain(self, data: bytes) -> bool:
        return self._trace is None and not self._escaped and self.lone(data)

    def lone(self, data: bytes) -> bool:
        """In these lines, which begin with a record, it is certain that none stands between those of another. Of others
        it cannot be told from two lines whether one begins a record (``free``)."""
        if self._escaped:
            whole = data.count(b'\\n","stream"') - data.count(b'\\\\n","stream"')
            return whole == data.count(b"\n")
        return b" P " not in data and b" P:" not in data

    def free(self, previous: bytes, line: bytes) -> bool:
        before = self._match(previous)
        if before is None or before["part"] is not None:
            return before is None
        return self._trace is None or self._trace.free(b"", self._text(self._match(line)))

    def starts(self, lines: Sequence[bytes]) -> list[int]:
        records, free = self._records(lines)
        return [record[0] for record in records if record[0] in free]

    def parts(self, lines: Sequence[bytes]) -> list[list[int]]:
        return self._records(lines)[0]

    def _records(self, lines: Sequence[bytes]) -> tuple[list[list[int]], set[int]]:
        """The indexes of each record's lines, and those before which no part is open."""
        records: list[list[int]] = []  # of lines that are put together of their parts
        runs: list[list[bytes]] = []  # the texts of those that follow each other in one stream
        opened: dict[bytes, list[int]] = {}  # by stream, one of which a further part comes
        free: set[int] = set()
        last = None
        for index, match in enumerate(map(self._match, lines)):
            if not opened:
                free.add(index)
            stream: bytes | None = match["stream"] if match is not None else None
            record = opened.pop(stream, None) if stream is not None else None
            if record is None:
                record = [index]
                records.append(record)
                if stream is None or stream != last or not runs:
                    runs.append([])
                runs[-1].append(self._text(match))
                last = stream
            else:
                record.append(index)
            if match is not None and stream is not None and match["part"] is not None:
                opened[stream] = record
        if self._trace is None:
            return records, free
        joined: list[list[int]] = []
        for run in runs:
            some, records = records[: len(run)], records[len(run) :]
            starts = self._trace.starts(run)
            for begin, stop in zip(starts, [*starts[1:], len(run)], strict=True):
                joined.append(sorted(index for record in some[begin:stop] for index in record))
        return joined, free

    def _text(self, match: re.Match[bytes] | None) -> bytes:
        """As a trace's line; what is not wrapped begins a record."""
        if match is None:
            return b"?"
        text: bytes = match["text"]
        if self._escaped and b"\\" in text:
            text = text.replace(b"\\t", b"\t").replace(b"\\r", b"\r").replace(b'\\"', b'"')
        return text.removesuffix(b"\n") + b"\n"
