"""What each address answers: plain functions from a request to an answer, the same over TCP and over the socket."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import orjson
from tailrace.pipeline.config.units import parse_duration
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.state.letters import Filter, Group, Letter, Letters
from tailrace.pipeline.status import report
from tailrace.pipeline.status.tapping import in_bounds
from tailrace.pipeline.status.verdict import problems
from tailrace.pipeline.telemetry import metrics
from tailrace.pipeline.telemetry.board import Board

Query = Mapping[str, str]
LONGEST_LINE = 2000  # characters of a letter's line that are shown
MOST_LETTERS = 500  # in one answer
SHARE = 0.01  # of the time, at most, that it takes to look into the table of letters
STANDS_STILL = 60.0  # seconds without a turn of the engine, after which it is not well


@dataclass(slots=True, frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    stream: Iterator[bytes] | None = None  # in place of a body: without an end, each part sent at once
    close: Callable[[], None] = lambda: None  # when the stream was sent, or will not be


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
    def tap(self, stage: str, when: str, limit: int, interval: float, duration: float | None) -> Tapped: ...


class Tapped(Protocol):
    """Lines of JSON; ``""`` where there is none for a while."""

    def __iter__(self) -> Iterator[str]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Api:
    board: Board
    actions: Actions
    letters: Letters
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: tuple[Sequence[Group], int] | None = None  # what the table of letters holds
    _of: float | None = None  # at the moment of this snapshot,
    _look_at: float = float("-inf")  # and when it may be looked at again

    # Free to be seen.

    def metrics(self, _: Query) -> Answer:
        text = metrics.text(self.board, self._letters(), self.actions.last_reload())
        return Answer(text.encode(errors="backslashreplace"), kind=metrics.CONTENT_TYPE)

    def health(self, _: Query) -> Answer:
        """Whether it lives and gets on; a sink that is down is no reason to restart it."""
        phase, age = self.board.snapshot.phase, self.board.age
        if phase == "stopping" or not self.board.turns:
            return _json({"ok": False, "reason": phase}, 503)
        if age > STANDS_STILL:
            return _json({"ok": False, "reason": f"it has stood still for {age:.0f} seconds"}, 503)
        return _json({"ok": True})

    def ready(self, _: Query) -> Answer:
        found = problems(self.board)
        return _json({"ready": not found, "reasons": found}, 503 if found else 200)

    def status(self, _: Query) -> Answer:
        actions = self.actions
        return _json(report.status(self.board, self._letters(), actions.redrive_progress(), actions.last_reload()))

    def history(self, _: Query) -> Answer:
        return _json(report.history(self.board))

    def redrive_progress(self, _: Query, number: str) -> Answer:
        known = number.isascii() and number.isdigit() and len(number) < 19
        progress = self.actions.redrive_progress(int(number)) if known else None
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
        return _json(self.actions.forget(_path(body, "file")))

    def move(self, body: Mapping[str, Any]) -> Answer:
        return _json(self.actions.move(_path(body, "file"), _path(body, "to")))

    def tap(self, query: Query) -> Answer:
        duration = _seconds(query, "duration", None)
        interval = _seconds(query, "interval", 0.5) or 0.5
        limit = _whole(query, "limit", 0, 1_000_000)
        tapped = self.actions.tap(query.get("stage", ""), query.get("when", ""), limit, interval, duration)
        lines = (f"{line}\n".encode() for line in tapped)
        return Answer(kind="application/x-ndjson", stream=lines, close=tapped.close)

    def _letters(self) -> dict[str, Any]:
        """What the table held when the snapshot was made, but for what was dropped since; if it takes long to look,
        an earlier one."""
        with self._lock:
            now, snapshot = self.clock(), self.board.snapshot
            if self._found is None or (snapshot.at != self._of and now >= self._look_at):
                self._found = self.letters.stats(Filter(until=snapshot.last_letter)), self.letters.room()
                self._of, self._look_at = snapshot.at, now + (self.clock() - now) / SHARE
            return report.letters_of(*self._found, self.board)

    def _forget_letters(self) -> None:
        with self._lock:
            self._found = None


def said(status: int, words: str) -> Answer:
    """An error, in words."""
    return _json({"error": words}, status)


def failed(error: TailraceError) -> Answer:
    """The daemon's own words for what it could not do."""
    return said(409, str(error))


def _json(value: Any, status: int = 200) -> Answer:
    try:
        return Answer(orjson.dumps(value), status)
    except TypeError:  # a text that UTF-8 cannot hold
        return Answer(json.dumps(value, default=str).encode(), status)


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
    return {name: value for name, value in asdict(wanted).items() if value is not None} or {"all": True}


def _filter(body: Mapping[str, Any]) -> Filter:
    known = {"stage": str, "error": str, "since": (int, float), "ids": list, "until": int, "all": bool}
    for name, value in body.items():
        kind = known.get(name)
        if kind is None:
            raise RefusedError(400, f"{name[:50]!r} is unknown; expected some of {', '.join(known)}")
        if not isinstance(value, kind) or (isinstance(value, bool) and name != "all"):  # type: ignore[arg-type]  # types, all of them
            raise RefusedError(400, f"{name}: found {json.dumps(value)[:100]}, expected another type")
    ids, until, since = body.get("ids"), body.get("until"), body.get("since")
    if not all(map(_is_id, ids or ())) or not (until is None or _is_id(until)):
        raise RefusedError(400, "ids, until: expected numbers of dead letters")
    if since is not None and not 0 <= since < 1 << 40:  # not NaN either, which SQLite takes for no bound at all
        raise RefusedError(400, "since: expected seconds since the epoch")
    stage, error = (_without_surrogates(body.get(name)) for name in ("stage", "error"))
    wanted = Filter(stage, error, since, None if ids is None else tuple(ids), until)
    if (wanted == Filter()) != bool(body.get("all")):
        raise RefusedError(400, 'give stage, error, since, ids or until, or "all": true alone')
    return wanted


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _without_surrogates(text: str | None) -> str | None:
    """No letter has such a name: what is left of it finds none."""
    return None if text is None else text.encode(errors="backslashreplace").decode()


def _path(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise RefusedError(400, f"{name}: expected an absolute path")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise RefusedError(400, f"{name}: no file can have this name") from error
    return value


def _whole(query: Query, name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not 0 < int(text) <= most:
        raise RefusedError(400, f"{name}: found {text[:50]!r}, expected a whole number from 1 to {most:,}")
    return int(text)


def _seconds(query: Query, name: str, default: float | None) -> float | None:
    text = query.get(name, "")
    if not text:
        return default
    try:
        return in_bounds(float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text))
    except ValueError as error:
        raise RefusedError(400, f"{name}: found {text[:50]!r}, {error}") from error
