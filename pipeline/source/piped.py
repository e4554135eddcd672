"""A stream of lines that comes through a descriptor and cannot be read again from any place.

What is not committed yet is kept in memory, so that a rewind can give it once more; how much that is at most follows
from ``pipeline.commit_bytes``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any, Protocol

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.settings import SourceSettings
from tailrace.pipeline.source import JSON, CursorError
from tailrace.pipeline.source.building import Surroundings
from tailrace.pipeline.source.recorded.lines import LineReader
from tailrace.pipeline.source.recorded.streams import Stream

AGAIN, LONGEST_AGAIN = 1.0, 60.0  # seconds until a stream that has ended is connected again


class Feed(Protocol):
    """Where the stream comes from."""

    name: str  # for `only` and {source}
    goes_on: bool  # the next run goes on with the same stream; else each begins one of its own

    def begin(self) -> JSON:
        """Of a stream that was not read before: what to go on behind; None: nothing. OSError."""
        ...

    def connect(self, after: JSON) -> Stream:
        """Begin behind what is remembered; None: at the beginning. OSError."""
        ...

    def fileno(self) -> int:
        """Of the stream."""
        ...

    def remember(self, line: bytes) -> JSON:
        """What to go on behind, once this line (or its beginning) is done; None: it does not say."""
        ...

    def ended(self) -> str | None:
        """The stream is at its end. None: so is the source; else why it is to be connected again."""
        ...

    def close(self) -> None: ...


class Piped:
    """A step object, see ``Source``."""

    def __init__(
        self, settings: SourceSettings, about: Surroundings, feed: Feed, wall: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._about, self._feed, self._wall = settings, about, feed, wall
        self._framer = Framer(settings.multiline) if settings.multiline is not None else None
        self._encoding = encoding(settings.encoding)
        self._kept: deque[tuple[Chunk, bytes]] = deque()  # handed out and not committed
        self._again = 0  # how many of them, from the left, are handed out
        self._reader: LineReader | None = None
        self._connect_at, self._backoff = 0.0, AGAIN
        self._wants = False  # the last read found nothing
        self._last = 0.0  # when something was read
        self._stale: list[int] = []  # streams of earlier runs
        self._over = False  # nothing more will come
        self.stream = 0
        self._read = self._released = self._cut = self._committed = 0
        self._after_read: JSON = None  # what stands behind the last chunk that was read; that was released
        self._after: JSON = None
        self._committed_after: JSON = None
        self._failed = ""  # why nothing more comes though there may be more

    def open(self, remembered: Mapping[int, JSON], now: float) -> None:
        known = sorted(remembered.items())
        if self._feed.goes_on and known:
            self.stream, cursor = known.pop()
            try:
                self._read, self._after = int(cursor["offset"]), cursor["after"]
            except (KeyError, TypeError, ValueError) as error:
                raise CursorError(f"the cursor of stream {self.stream} is not one of {self._settings.use}") from error
        else:
            self._after = self._feed.begin()
            (self.stream,) = self._about.register([self._cursor()])
        self._released = self._cut = self._committed = self._read
        self._after_read = self._committed_after = self._after
        self._stale = [stream for stream, _ in known]
        self._connect(now)

    def _connect(self, now: float) -> None:
        try:
            stream = self._feed.connect(self._after_read)
        except OSError as error:
            self._come_back(str(error), now)
            return
        settings = self._settings
        self._reader = LineReader(
            stream, settings.max_line_bytes, self._about.chunk_bytes, self._encoding, self._framer, self._read
        )

    def _come_back(self, why: str, now: float) -> None:
        if self._about.until_eof:
            self._failed, self._over = why, True
            return
        self._about.log.warning("source.ended", source=self._settings.use, why=why, seconds=self._backoff)
        self._connect_at = now + self._backoff
        self._backoff = min(2 * self._backoff, LONGEST_AGAIN)

    def poll(self, now: float) -> float:
        if self._over:
            return inf
        if self._again < len(self._kept):
            return 0.0
        if self._reader is None:
            if now < self._connect_at:
                return self._connect_at - now
            self._connect(now)
            return 0.0
        if self._reader.stream.ready():
            return 0.0
        return max(0.0, self._last + self._framer.timeout - now) if self._framer and self._reader.open else inf

    def fileno(self) -> int:
        return self._feed.fileno() if self._wants and self._reader is not None else -1

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:
        self._wants = False
        if skip(self.stream):
            return None
        if self._again < len(self._kept):
            chunk, data = self._kept[self._again]
            buffer[: len(data)] = data
            self._again += 1
            return chunk
        if self._reader is None:
            return None
        quiet = self._framer is not None and self._reader.open and now - self._last >= self._framer.timeout
        held = self._reader.unfinished
        lines = self._reader.read(buffer, close=quiet and not self._reader.stream.ready())
        written_in = self._reader.encoding.name
        if lines is not None or self._reader.unfinished > held:
            self._last, self._backoff = now, AGAIN
        if self._reader.finished:
            self._end(now)
        if lines is None:
            self._wants = True
            return None
        wall, name = self._wall(), self._feed.name
        key = f"{self._about.key_prefix}-{self.stream}"
        start, length, end, oversize = lines
        chunk = Chunk(
            self.stream, key, name, name, start, length, end, wall, wall, oversize=oversize, encoding=written_in
        )
        data = bytes(buffer[: chunk.length])
        self._kept.append((chunk, data))
        self._again += 1
        self._read = chunk.end
        self._after_read = self._behind(data, len(data)) or self._after_read
        self._about.counters.add("bytes_read", chunk.end - chunk.start)
        return chunk

    def _end(self, now: float) -> None:
        assert self._reader is not None
        why = self._reader.fault or self._feed.ended()
        self._reader.stream.close()
        self._reader = None
        if why is None:
            self._over = True
        else:
            self._come_back(why, now)

    def _behind(self, data: bytes, done: int) -> JSON:
        """What to go on behind, of the last line in that much of the data."""
        return self._feed.remember(data[data.rfind(b"\n", 0, max(0, done - 1)) + 1 : done])

    def released(self, chunk: Chunk, done: int, data: memoryview, dead: int = 0) -> None:  # noqa: ARG002
        self._released = chunk.end if done == chunk.length else chunk.start + done
        for kept, text in self._kept:
            if kept.start == chunk.start:
                self._after = self._behind(text, done) or self._after
                break

    def _cursor(self) -> dict[str, Any]:
        return {
            "source": self._settings.use, "name": self._feed.name, "offset": self._released, "after": self._after,
        }  # fmt: skip

    def cut(self) -> dict[int, JSON]:
        if self._released == self._cut:
            return {}
        self._cut = self._released
        return {self.stream: self._cursor()}

    def committed(self, cursors: Mapping[int, JSON]) -> None:
        if self.stream not in cursors:
            return
        self._committed, self._committed_after = cursors[self.stream]["offset"], cursors[self.stream]["after"]
        while self._kept and self._kept[0][0].end <= self._committed:
            self._kept.popleft()
            self._again -= 1

    @property
    def changed(self) -> bool:
        return self._released != self._cut

    def retired(self) -> list[int]:
        stale, self._stale = self._stale, []
        return stale

    def rewind(self) -> None:
        """What is not committed is handed out again, from memory."""
        self._released = self._cut = self._committed
        self._after, self._again = self._committed_after, 0
        if self._kept and (done := self._committed - self._kept[0][0].start) > 0:
            chunk, data = self._kept[0]
            rest = data[done:]
            self._kept[0] = replace(chunk, start=self._committed, length=len(rest)), rest

    def behind(self) -> list[int]:
        more = self._again < len(self._kept) or (self._reader is not None and self._reader.stream.ready())
        return [self.stream] if more else []

    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        for chunk, data in self._kept:
            if stream == self.stream and chunk.start <= offset and offset + length <= chunk.start + chunk.length:
                return data[offset - chunk.start :][:length]
        return None

    @property
    def exhausted(self) -> bool:
        return self._over and self._again == len(self._kept)

    def unread(self) -> dict[str, str]:
        return {self._settings.use: self._failed} if self._failed else {}

    def leave(self) -> None:
        """What was read and not handed out is a line that has only begun."""

    def close(self) -> None:
        if self._reader is not None and (held := self._reader.unfinished) and not self._feed.goes_on:
            self._about.log.warning(
                "source.unread", source=self._settings.use, bytes=held,
                notice="a line, or a record, that had only begun when the run was stopped: it is lost",
            )  # fmt: skip
        if self._reader is not None:
            self._reader.stream.close()
            self._reader = None
        self._feed.close()
