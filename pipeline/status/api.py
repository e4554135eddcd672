"""What each address answers: plain functions from a request to an answer, the same over TCP and over the socket."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from tailrace.pipeline.config.units import parse_duration
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.state.dead_letters import Filter, Letter, Letters
from tailrace.pipeline.status import report
from tailrace.pipeline.status.verdict import problems
from tailrace.pipeline.telemetry import metrics
from tailrace.pipeline.telemetry.board import Board

Query = Mapping[str, str]
LONGEST_LINE = 2000  # characters of a letter's line that are shown
MOST_LETTERS = 500  # in one answer
LOOK_AGAIN = 1.0  # seconds for which what the table of letters was found to hold is told again,
SHARE = 0.02  # and longer where it takes long to look: it may take so much of the time


@dataclass(slots=True, frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    stream: Iterator[bytes] | None = None  # in place of a body: without an end, each part sent at once


class RefusedError(Exception):
    """The request is wrong: its status and what to say."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Actions(Protocol):
    """What a daemon can be asked to do. Called from any thread; TailraceError: it could not be done, and why."""

    def redrive(self, wanted: Filter) -> dict[str, Any]: ...
    def redrive_progress(self, number: int | None = None) -> dict[str, Any] | None: ...
    def drop(self, wanted: Filter) -> int: ...
    def reload(self) -> None: ...
    def last_reload(self) -> tuple[float, bool] | None: ...
    def forget(self, file: str) -> dict[str, Any]: ...
    def move(self, file: str, to: str) -> dict[str, Any]: ...
    def tap(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Iterator[Any]: ...


@dataclass(slots=True)
class Api:
    board: Board
    actions: Actions
    letters: Letters
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: dict[str, Any] | None = None  # what the table of letters holds,
    _look_at: float = 0.0  # and when it is looked at again

    # Free to be seen.

    def metrics(self, _: Query) -> Answer:
        text = metrics.text(self.board, self._letters(), self.actions.last_reload())
        return Answer(text.encode(), kind=metrics.CONTENT_TYPE)

    def health(self, _: Query) -> Answer:
        """Whether it lives and gets on; a sink that is down is no reason to restart it."""
        phase = self.board.snapshot.phase
        ok = phase in ("running", "recovering", "reloading", "blocked")
        return _json({"ok": ok, **({} if ok else {"reason": phase})}, 200 if ok else 503)

    def ready(self, _: Query) -> Answer:
        found = problems(self.board, self._letters())
        return _json({"ready": not found, "reasons": found}, 503 if found else 200)

    def status(self, _: Query) -> Answer:
        return _json(report.status(self.board, self._letters(), self.actions.redrive_progress()))

    def history(self, _: Query) -> Answer:
        return _json(report.history(self.board))

    def redrive_progress(self, _: Query, number: str) -> Answer:
        progress = self.actions.redrive_progress(int(number)) if number.isascii() and number.isdigit() else None
        if progress is None:
            raise RefusedError(404, f"there is no re-drive {number[:20]}")
        return _json(progress)

    # With the token only.

    def list_letters(self, query: Query) -> Answer:
        limit = _whole(query, "limit", 50, MOST_LETTERS)
        before = _whole(query, "before", 0, 1 << 62)
        wanted = Filter(query.get("stage") or None, query.get("error") or None)
        found = self.letters.newest(wanted, limit, before=before or None)
        return _json({"count": self.letters.count(wanted), "letters": [_letter(one) for one in found]})

    def redrive(self, body: Mapping[str, Any]) -> Answer:
        started = self.actions.redrive(_filter(body))
        self._forget_letters()
        return _json(started, 202)

    def drop(self, body: Mapping[str, Any]) -> Answer:
        count = self.actions.drop(_filter(body))
        self._forget_letters()
        return _json({"dropped": count})

    def reload(self, _: Mapping[str, Any]) -> Answer:
        self.actions.reload()
        return _json({"reload": "asked"}, 202)

    def forget(self, body: Mapping[str, Any]) -> Answer:
        return _json(self.actions.forget(_text(body, "file")))

    def move(self, body: Mapping[str, Any]) -> Answer:
        return _json(self.actions.move(_text(body, "file"), _text(body, "to")))

    def tap(self, query: Query) -> Answer:
        duration = _seconds(query, "duration", None)
        interval = _seconds(query, "interval", 0.5) or 0.5
        limit = _whole(query, "limit", 0, 1_000_000)
        tapped = self.actions.tap(query.get("stage", ""), query.get("when", ""), limit, interval, duration)
        return Answer(kind="application/x-ndjson", stream=_lines(tapped))

    def _letters(self) -> dict[str, Any]:
        """What the table holds: it is asked now and then."""
        with self._lock:
            now = self.clock()
            if self._found is None or now >= self._look_at:
                groups, room = self.letters.stats(Filter()), self.letters.room()
                self._found = report.letters_of(groups, room, self.board)
                self._look_at = now + max(LOOK_AGAIN, (self.clock() - now) / SHARE)
            self._found["full"] = self.board.snapshot.phase == "blocked"
            return self._found

    def _forget_letters(self) -> None:
        self._look_at = 0.0


def _lines(values: Iterator[Any]) -> Iterator[bytes]:
    """One JSON value a line; nothing where there is none for a while."""
    try:
        for value in values:
            yield b"" if value is None else orjson.dumps(value) + b"\n"
    finally:
        values.close()  # type: ignore[attr-defined]  # a generator


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(orjson.dumps(value, default=str), status)


def _letter(letter: Letter) -> dict[str, Any]:
    line = escape(letter.raw[: 4 * LONGEST_LINE].decode(errors="surrogateescape"))
    return {
        "id": letter.id, "time": letter.time, "stage": letter.stage, "error": letter.error, "why": escape(letter.why),
        "attempts": letter.attempts, "file": letter.file, "path": letter.path, "offset": letter.offset,
        "length": letter.length, "event_id": letter.event_id, "line": line[:LONGEST_LINE], "cut": letter.cut,
        "sink": None if letter.sink is None else escape(letter.sink),
    }  # fmt: skip


def filter_body(wanted: Filter) -> dict[str, Any]:
    """As ``redrive`` and ``drop`` read it."""
    body = {"stage": wanted.stage, "error": wanted.error, "since": wanted.since, "ids": wanted.ids}
    return {name: value for name, value in body.items() if value is not None} or {"all": True}


def _filter(body: Mapping[str, Any]) -> Filter:
    known = {"stage": str, "error": str, "since": (int, float), "ids": list, "all": bool}
    for name, value in body.items():
        kind = known.get(name)
        if kind is None:
            raise RefusedError(400, f"{name[:50]!r} is unknown; expected some of {', '.join(known)}")
        if not isinstance(value, kind) or (isinstance(value, bool) and name != "all"):  # type: ignore[arg-type]  # types, all of them
            raise RefusedError(400, f"{name}: found {json.dumps(value)[:100]}, expected another type")
    ids = body.get("ids")
    if ids is not None and not all(type(one) is int and 0 <= one < 1 << 62 for one in ids):
        raise RefusedError(400, "ids: expected numbers of dead letters")
    wanted = Filter(body.get("stage"), body.get("error"), body.get("since"), None if ids is None else tuple(ids))
    if (wanted == Filter()) != bool(body.get("all")):
        raise RefusedError(400, 'give stage, error, since or ids, or "all": true alone')
    return wanted


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError(400, f"{name} is missing: expected a path")
    return value


def _whole(query: Query, name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= most:
        raise RefusedError(400, f"{name}: found {text[:50]!r}, expected a whole number from 1 to {most:,}")
    return int(text)


def _seconds(query: Query, name: str, default: float | None) -> float | None:
    text = query.get(name, "")
    if not text:
        return default
    try:
        value = float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text)
    except ValueError as error:
        raise RefusedError(400, f"{name}: found {text[:50]!r}, {error}") from error
    if not math.isfinite(value) or not 0.01 <= value <= 86400 * 365:
        raise RefusedError(400, f"{name}: found {text[:50]!r}, expected from 10ms to a year")
    return value


def failed(error: TailraceError) -> Answer:
    """The daemon's own words for what it could not do."""
    return _json({"error": str(error)}, 409)
