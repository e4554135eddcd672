"""What there is in files that a state has not committed, while nobody reads them.

Each stream is looked for where the state has it, then under other names, and it counts only if the file still holds
what was read from it. What no stream is for is judged as a start would judge it. Files are opened to read only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source.tail.finder import Finder
from tailrace.pipeline.source.tail.identity import HEAD, Head, Marker, continues, digest
from tailrace.pipeline.source.tail.ledger import COMPRESSED, Balance, Ledger
from tailrace.pipeline.source.tail.packed import MAGIC_BYTES, kind_of
from tailrace.pipeline.source.tail.position import Position, base_name
from tailrace.pipeline.source.tail.unpacking import KINDS

PACKED = "it is packed: how much of it is new shows when it is unpacked"
CHANGED = "it was truncated or replaced, and there is no copy of it"
ABSENT = "it is not there any more"
UNWANTED = "source.paths and source.exclude no longer ask for it; the position is kept"

_LONGEST_NEWLINE = 4  # bytes: fewer NULs at a file's end may be part of one, more are room made in advance
_BLOCK = 1 << 20  # bytes read at once in search of their beginning
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOT_THERE = (FileNotFoundError, NotADirectoryError)

Key = tuple[int, int]
"""(device, inode)"""


@dataclass(slots=True)
class Rest:
    """Of one file, what is not committed. ``size`` and ``lag``, in bytes, are None where nobody knows them."""

    path: bytes
    name: str
    stream: int | None  # None: no start has seen it yet
    offset: int  # committed
    size: int | None
    lag: int | None
    state: str  # "unread", "quiet", "gone", "ended", "unreadable", "waiting" (not known yet what it is), "unwanted"
    why: str = ""
    written: float | None = None  # when it was last written to, in seconds since the epoch
    seen: int = 0  # its size as the state knows it
    balance: Balance | None = None


@dataclass(slots=True)
class Rests:
    rows: list[Rest] = field(default_factory=list)
    unlisted: dict[str, str] = field(default_factory=dict)  # directories that cannot be looked into, and why
    packed: int = 0  # new files that are packed and not read


def rests(positions: Sequence[Position], settings: TailSettings, ours: Callable[[bytes], bool], now: float) -> Rests:
    """``ours``: whether a path is one of our own outputs or state files. ``now``: seconds since the epoch."""
    return _Search(positions, settings, ours, now).rests()


class _Search:
    def __init__(
        self, positions: Sequence[Position], settings: TailSettings, ours: Callable[[bytes], bool], now: float
    ) -> None:
        self._positions = [one for one in positions if one.path]  # (one is the note that there was a first start)
        self._at_end = not positions and settings.read_from == "end"
        self._settings, self._ours, self._now = settings, ours, now
        self._finder = Finder(settings.paths, settings.exclude)
        self._scan = self._finder.scan()
        self._paths: dict[Key, bytes] = {}  # one for each file
        for path, st in sorted(self._scan.found.items()):
            self._paths.setdefault((st.st_dev, st.st_ino), path)
        self._inodes = {key[1]: path for key, path in self._paths.items()}  # whatever the device: it may be remounted
        self._listings: dict[bytes, dict[int, bytes]] = {}  # by directory and inode
        self._taken: set[Key] = set()  # files of which it is known what they are
        self._changed: dict[int, Position] = {}  # whose bytes are not in their file any more; a copy may hold the rest
        self._heads: dict[tuple[int, str], list[Position]] = {}  # they by their heads: length and hash
        self._copied: set[int] = set()  # those of which one does
        self._found = Rests(unlisted={_text(path): why for path, why in self._scan.failed.items()})

    def rests(self) -> Rests:
        rows = self._found.rows
        missing: list[Position] = []
        ended: dict[Key, Position] = {}
        for position in self._positions:
            if position.ended:
                if position.size > position.offset:
                    self._changed[position.file_id] = position
                else:
                    ended[position.device, position.inode] = position
            elif not self._asked_for(position):
                self._taken.add((position.device, position.inode))
                rows.append(_rest(position, "unwanted", UNWANTED))
            elif (row := self._known(position)) is not None:
                rows.append(row)
            elif position.file_id not in self._changed:
                missing.append(position)
        for position in self._changed.values():
            if position.head_length:
                self._heads.setdefault((position.head_length, position.head_hash), []).append(position)
        inodes = {one.inode for one in self._positions}
        for key, path in self._paths.items():
            if key not in self._taken:
                rows.extend(self._new(path, key, inodes, ended.get(key)))
        rows += [_gone(one, ABSENT) for one in missing]
        rows += [_gone(one, CHANGED) for one in self._changed.values() if one.file_id not in self._copied]
        return self._found

    def _asked_for(self, position: Position) -> bool:
        """As ``Discovery`` asks: by its name, or by the one that it had before it was renamed."""
        before = os.path.join(os.path.dirname(position.path), os.fsencode(position.name))
        return "\\" in position.name or self._finder.matches(position.path) or self._finder.matches(before)

    def _known(self, position: Position) -> Rest | None:
        """None: its file is not there; or holds something else, and then it is one of ``_changed``."""
        for path, key in self._places(position):
            try:
                with _opened(path, key) as (fd, st):
                    if not _continues(fd, st, position):
                        if key == (position.device, position.inode):
                            self._changed[position.file_id] = position
                            return None
                        continue
                    self._taken.add(key)
                    return _read(path, position, fd, st)
            except _NOT_THERE:
                continue
            except OSError as error:
                self._taken.add(key)
                return _unreadable(path, position, error)
        return None

    def _places(self, position: Position) -> Iterator[tuple[bytes, Key]]:
        """Where it may be, and which file that must be."""
        key = position.device, position.inode
        yield position.path, key
        if key in self._paths:
            yield self._paths[key], key
        beside = self._beside(os.path.dirname(position.path)).get(position.inode)
        if beside is not None:
            yield beside, key
        other = self._inodes.get(position.inode)
        if other is not None and key not in self._paths:
            st = self._scan.found[other]
            yield other, (st.st_dev, st.st_ino)

    def _beside(self, directory: bytes) -> dict[int, bytes]:
        """The paths in a directory, by inode number, whatever their names."""
        if directory not in self._listings:
            try:
                with os.scandir(directory) as entries:
                    self._listings[directory] = {entry.inode(): entry.path for entry in entries}
            except OSError:
                self._listings[directory] = {}
        return self._listings[directory]

    def _new(self, path: bytes, key: Key, inodes: set[int], finished: Position | None) -> Iterator[Rest]:
        """What no stream is for: a start would read it, unless it is none of what is read."""
        st = self._scan.found[path]
        if not stat.S_ISREG(st.st_mode) or self._ours(path):
            return
        oldest = self._settings.ignore_older
        if oldest is not None and self._now - st.st_mtime > oldest and key[1] not in inodes:
            return
        rest = Rest(path, base_name(path), None, 0, st.st_size, st.st_size, "unread", written=st.st_mtime)
        try:
            with _opened(path, key) as (fd, st):
                if (kind := kind_of(os.pread(fd, MAGIC_BYTES, 0))) is not None:
                    if self._settings.compressed == "skip" or kind not in KINDS:
                        self._found.packed += 1
                        return
                    rest.lag, rest.state, rest.why = None, "waiting", PACKED
                elif finished is not None and _continues(fd, st, finished):
                    rest = _read(path, finished, fd, st)
                else:
                    self._take_over(rest, fd, st)
        except _NOT_THERE:
            return
        except OSError as error:
            rest.state, rest.why = "unreadable", _words(error)
        yield rest

    def _take_over(self, rest: Rest, fd: int, st: os.stat_result) -> None:
        """It may be a copy of one that was truncated: then it goes on where that was read."""
        head = os.pread(fd, HEAD, 0) if self._heads else b""
        known = {length: digest(head[:length]) for length in {length for length, _ in self._heads}}
        alike = (one for pair in known.items() for one in self._heads.get(pair, ()))
        original = next((one for one in alike if _continues(fd, st, one)), None)
        if original is not None:
            self._copied.add(original.file_id)
            rest.offset, rest.why = original.offset, f"a copy of {_text(original.path)}, which was read up to there"
        rest.size = _extent(fd, rest.offset, st.st_size)
        rest.lag = 0 if self._at_end else rest.size - rest.offset
        rest.state = _state(rest.lag)


@contextmanager
def _opened(path: bytes, key: Key) -> Iterator[tuple[int, os.stat_result]]:
    """FileNotFoundError: the path leads to another file than this, or to none."""
    _check(os.stat(path), key)  # opening a FIFO would wake its writer
    fd = os.open(path, _FLAGS)
    try:
        st = os.fstat(fd)
        _check(st, key)
        yield fd, st
    finally:
        os.close(fd)


def _check(st: os.stat_result, key: Key) -> None:
    if (st.st_dev, st.st_ino) != key or not stat.S_ISREG(st.st_mode):
        raise FileNotFoundError


def _continues(fd: int, st: os.stat_result, position: Position) -> bool:
    marker = Marker(position.offset, position.tail_length, position.tail_hash)
    return continues(fd, st.st_size, Head(position.head_length, position.head_hash), marker)


def _extent(fd: int, start: int, size: int) -> int:
    """Up to where it holds something else than NULs at its end; those of a last newline are none."""
    end = size
    while end > start:
        begin = max(start, end - _BLOCK)
        kept = len(os.pread(fd, end - begin, begin).rstrip(b"\0"))
        end = begin + kept
        if kept:
            break
    return size if size - end < _LONGEST_NEWLINE else end


def _read(path: bytes, position: Position, fd: int, st: os.stat_result) -> Rest:
    size = _extent(fd, position.offset, st.st_size)
    packed = COMPRESSED in position.ledger.get("skipped", {}) and "unpacked" not in position.ledger
    cut = position.size - size
    rest = _rest(position, "", f"{cut:,} bytes at its end were cut off unread" if cut > 0 else "", path, size)
    rest.lag = 0 if packed else size - position.offset
    rest.state, rest.written = _state(rest.lag), st.st_mtime
    return rest


def _unreadable(path: bytes, position: Position, error: OSError) -> Rest:
    """Nobody can tell whether it still holds what was read from it: if so, this is what is left."""
    rest = _rest(position, "unreadable", _words(error), path)
    try:
        st = os.stat(path)
    except OSError:
        return rest
    rest.size, rest.written = st.st_size, st.st_mtime
    rest.lag = st.st_size - position.offset if st.st_size >= position.offset else st.st_size
    return rest


def _gone(position: Position, why: str) -> Rest:
    left = position.size - position.offset
    lost = f"; of what was seen of it, {left:,} bytes are not committed" if left else ""
    return _rest(position, "ended" if position.ended else "gone", why + lost)


def _rest(position: Position, state: str, why: str, path: bytes | None = None, size: int | None = None) -> Rest:
    path = position.path if path is None else path
    ledger = Ledger.load(position.ledger)
    known = position.size if size is None else size
    balance = ledger.balance(ledger.committed, _text(path), position.offset, known)
    return Rest(
        path, position.name, position.file_id, position.offset, size, None, state, why, seen=position.size,
        balance=balance,
    )  # fmt: skip


def _state(lag: int) -> str:
    return "unread" if lag else "quiet"


def _text(path: bytes) -> str:
    return escape(os.fsdecode(path))


def _words(error: OSError) -> str:
    return error.strerror or str(error)
