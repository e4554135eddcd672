"""What is durable at a moment, and whether it is what the files' lines must have become by then."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import Generation, Line, World

ALL, BOTH = "write.file:out/all.ndjson", "write.file:out/by/{source}.ndjson"


@dataclass(frozen=True)
class Row:
    """How far one file is, as the state says."""

    file_id: int
    inode: int
    offset: int
    size: int
    ended: bool
    ledger: dict[str, Any]


@dataclass(frozen=True)
class Letter:
    file_id: int
    offset: int
    length: int
    raw: bytes


class Durable:
    """The state, and of each output as much as the state answers for. Reads a copy: a look changes nothing."""

    def __init__(self, home: Path) -> None:
        self.rows: list[Row] = []
        self.letters: list[Letter] = []
        self.counters: dict[str, int] = {}
        self.outputs: dict[str, list[list[dict[str, Any]]]] = {ALL: [], BOTH: []}  # by sink: files: events
        self.lengths: dict[Path, int] = {}
        self.state = ""  # its id
        if not (home / "state" / "tailrace.sqlite").exists():
            return
        with tempfile.TemporaryDirectory(dir=home) as copy:
            for end in ("", "-wal"):
                if (home / "state" / f"tailrace.sqlite{end}").exists():
                    shutil.copy(home / "state" / f"tailrace.sqlite{end}", copy)
            with closing(sqlite3.connect(Path(copy, "tailrace.sqlite"))) as db:
                self._read(db)

    def _read(self, db: sqlite3.Connection) -> None:
        (self.state,) = db.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
        for file_id, inode, offset, size, ended, ledger in db.execute(
            "SELECT file_id, inode, offset, size, ended, ledger FROM files ORDER BY file_id"
        ):
            self.rows.append(Row(file_id, inode, offset, size, bool(ended), json.loads(ledger)))
        for where in db.execute("SELECT stream, offset, length, raw FROM dead_letters ORDER BY id"):
            self.letters.append(Letter(*where))
        for name, labels, value in db.execute("SELECT name, labels, value FROM counters"):
            of = dict(json.loads(labels))
            key = f"{name} {of.get('sink') or of.get('stage') or ''}".strip()
            self.counters[key] = self.counters.get(key, 0) + int(value)
        for sink, path, length in db.execute(
            "SELECT sink, json_extract(mark, '$.path') AS path, json_extract(mark, '$.length') FROM marks ORDER BY path"
        ):
            data = Path(path).read_bytes() if length else b""
            assert len(data) >= length, f"{path} has {len(data)} bytes and a mark at {length}"
            assert data[:length].endswith(b"\n") or not length, f"{path}: a torn line before the mark"
            self.outputs[sink].append([json.loads(line) for line in data[:length].splitlines()])
            self.lengths[Path(path)] = length

    def events(self, sink: str) -> list[dict[str, Any]]:
        return [event for events in self.outputs[sink] for event in events]

    @cached_property
    def numbers(self) -> dict[str, Counter[int]]:
        """By sink: how often there is something of each line."""
        return {sink: Counter(event["n"] for event in self.events(sink)) for sink in self.outputs}

    def lines(self, world: World) -> set[Line]:
        """Those that have arrived for good."""
        known = {line.number: line for line in world.by_text.values()}
        found = {known[number] for number in self.numbers[ALL] if number in known}
        return found | {world.by_text[letter.raw] for letter in self.letters if letter.raw in world.by_text}


def audit(world: World) -> Durable:
    """Whatever happened, and whenever: what is durable fits together, line by line and sum by sum."""
    durable = Durable(world.plant.home)
    places = _check_lines(world, durable)
    _check_order(durable)
    _check_rows(world, durable, places)
    return durable


def _check_lines(world: World, durable: Durable) -> dict[int, set[Line]]:
    """Each line is there once and whole, or not at all; the lines of each file id."""
    known = {line.number: line for line in world.by_text.values()}
    places: dict[int, set[Line]] = {}
    for sink in durable.outputs:
        for event in durable.events(sink):
            line = known.get(event["n"])
            assert line is not None, f"nobody wrote {event}"
            again = event.pop("again", False)
            assert event.pop("bulk"), event
            assert event.pop("file"), event
            key, _, offset = event.pop("event_id").partition(":")
            file_id = key.removeprefix(f"{durable.state}-")
            assert offset == f"{line.at}" + (".1" if again else ""), (offset, line)
            assert event.pop("offset") == line.at, line
            assert event == json.loads(line.text), line
            places.setdefault(int(file_id), set()).add(line)
    dead: Counter[int] = Counter()
    for letter in durable.letters:
        line = world.by_text.get(letter.raw)
        if line is None:
            assert (letter.raw, letter.offset + letter.length) in world.halves, f"nobody wrote {letter}"
            continue
        assert (letter.offset, letter.length) == (line.at, len(line.text) - 1), (letter, line)
        dead[line.number] += 1
        places.setdefault(letter.file_id, set()).add(line)
    twice = [letter for letter, count in Counter(durable.letters).items() if count > 1]
    assert not twice, f"two dead letters of one line: {twice}"
    for line in known.values():
        count = {"twice": 2, "plain": 1}.get(line.kind, 0)
        wanted = (count, count if line.both else 0, int(line.dead))
        found = durable.numbers[ALL][line.number], durable.numbers[BOTH][line.number], dead[line.number]
        assert found in (wanted, (0, 0, 0)), f"{found} times in the outputs and the dead letters: {line}"
    return places


def _check_order(durable: Durable) -> None:
    for sink, files in durable.outputs.items():
        for events in files:
            last: dict[int, int] = {}
            for event in events:
                assert event["at"] >= last.get(event["g"], -1), f"{sink}: out of order: {event}"
                last[event["g"]] = event["at"]


def generation_of(world: World, row: Row, places: dict[int, set[Line]]) -> Generation | None:
    """Whose row that is; None: nothing of it tells."""
    lines = places.get(row.file_id)
    if not lines:
        found = world.by_inode.get(row.inode, [])
        return found[0] if len(found) == 1 else None
    holders = [one for one in world.generations if lines <= set(one.lines)]
    assert holders, f"file id {row.file_id} has lines of several files"
    here = [one for one in holders if one in world.by_inode.get(row.inode, ())]  # (else a copy would do as well)
    return max(here or holders, key=lambda one: len(one.content))


def _check_rows(world: World, durable: Durable, places: dict[int, set[Line]]) -> None:
    """Positions, outputs, dead letters, ledger and counters are of one and the same moment."""
    lines_read = dropped = lost = 0
    whole = True
    for row in durable.rows:
        if not row.ledger:
            continue
        ledger = row.ledger
        skipped = sum(ledger["skipped"].values())
        gone = sum(ledger["lost"].values())
        lost += gone
        done = ledger["acknowledged"] + ledger["dead_lettered"]
        assert ledger["seen"] == done + skipped + gone + ledger["pending"], row
        assert ledger["pending"] == row.size - row.offset >= 0, row
        start = skipped - ledger["skipped"].get("taken_over", 0)
        assert row.offset == start + done, row
        generation = generation_of(world, row, places)
        if generation is None:
            whole = whole and not done
            continue
        here = places.get(row.file_id, set())
        acknowledged = dead = covered = 0
        for line in generation.lines:
            if start <= line.at and line.end <= row.offset:
                covered += 1
                dropped += line.kind == "drop"
                assert line in here or line.untraced, f"passed over at {row.offset}: {line}"
                if line.dead:
                    dead += len(line.text)
                else:
                    acknowledged += len(line.text)
            else:
                assert line not in here, f"not covered by the position {row.offset} from {start} on: {line}"
                assert not line.at < row.offset < line.end, f"a position inside a line: {row.offset}, {line}"
        half = row.offset - (generation.lines[-1].end if generation.lines else 0)
        if half > 0:  # of a file that was finished
            covered, dead = covered + 1, dead + half
            assert row.offset == len(generation.content), row
        lines_read += covered
        assert (acknowledged, dead) == (ledger["acknowledged"], ledger["dead_lettered"]), row
        # A generation of which nothing was read goes on under its id; and what came next may pass for its growth.
        assert ledger["seen"] <= sum(len(one.content) for one in {generation, *world.by_inode[row.inode]}), row
    counters = durable.counters

    def total(name: str) -> int:
        return sum(value for key, value in counters.items() if key.partition(" ")[0] == name)

    written = {sink: len(durable.events(sink)) for sink in durable.outputs}
    assert {sink: counters.get(f"events_written {sink}", 0) for sink in written} == written
    assert total("dead_letters") == len(durable.letters)
    gone = written[ALL] + total("events_filtered") + total("dead_letters")
    assert total("lines_read") + total("events_made") == gone, counters
    if whole:
        assert total("lines_read") == lines_read, counters
        assert counters.get("events_filtered enrich.filter", 0) == dropped, counters
    assert total("bytes_unread") >= lost, counters


def final(world: World) -> None:
    """All is done: what must be there is there, and what is not is known to be lost."""
    durable = audit(world)
    arrived = durable.lines(world)
    missing = [line for line in world.by_text.values() if line.must and not line.untraced and line not in arrived]
    assert not missing, f"{len(missing)} lines are missing, the first: {missing[0]}"
    for path, length in durable.lengths.items():
        assert (path.stat().st_size if path.exists() else 0) == length, f"{path} has bytes that nobody answers for"
    places = _check_lines(world, Durable(world.plant.home))
    for row in durable.rows:
        generation = generation_of(world, row, places)
        if generation is None or not row.ledger:
            continue
        living = any(node.now is generation for node in world.names.values())
        half = len(generation.content) - (generation.lines[-1].end if generation.lines else 0)
        assert row.ledger["pending"] in ((0, half) if living and not row.ended else (0,)), row  # (a row is as of a cut)
        if living and not row.ended:
            assert row.size in (len(generation.content), len(generation.content) - half), row
        taken = range(row.offset, row.ledger["seen"])
        for line in generation.lines:  # what was lost did not arrive under this id, nor under another
            if line.at in taken and row.ledger["lost"] and not row.ledger["skipped"].get("taken_over"):
                assert line not in arrived, f"said to be lost, and there: {line}"
