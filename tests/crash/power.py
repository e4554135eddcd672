"""A disk that forgets: what was not synced may be lost, torn or zeroed when the process dies at a chosen operation.

It stands in for the functions of pipeline/disk.py. A killed process loses nothing that the system was told; what is not
synced yet is handed on to the next life, so that a power cut there may still take it.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tailrace.pipeline import disk

SECTOR = 512  # bytes that reach the disk together
Mode = Literal["kill", "torn", "power"]
MODES: tuple[Mode, ...] = ("kill", "torn", "power")


@dataclass
class Unsynced:
    """What a power cut may take back."""

    grave: str  # a directory where unlinked files wait until that is durable
    contents: dict[str, bytes] = field(default_factory=dict)  # of files: as of their last sync
    names: list[tuple[str, str, str]] = field(default_factory=list)  # (operation, path, where it was), in order
    buried: int = 0

    @classmethod
    def load(cls, home: Path) -> Unsynced:
        """As the last life left it."""
        kept = home / "unsynced"
        if kept.exists():
            found: Unsynced = pickle.loads(kept.read_bytes())  # noqa: S301  (we wrote it)
            return found
        grave = home / "grave"
        grave.mkdir()
        return cls(os.fspath(grave))

    def save(self, home: Path) -> None:
        for change in [change for change in self.names if change[0] == "unlink"]:
            if os.path.exists(change[1]) and os.path.exists(change[2]) and os.path.samefile(*change[1:]):
                os.unlink(change[2])  # another thread died before it came to pass
                self.names.remove(change)
        (home / "unsynced").write_bytes(pickle.dumps(self))

    def note(self, operation: str, path: str) -> None:
        """The operation is about to be done."""
        match operation:
            case "write" | "truncate":
                self.keep(path)
            case "create":
                self.names.append((operation, path, ""))
                self.contents[path] = b""
            case "mkdir":
                self.names.append((operation, path, ""))
            case "rename":
                self.names.append((operation, path, path + ".new"))
            case "unlink":
                self.buried += 1
                grave = f"{self.grave}/{self.buried}"
                os.link(path, grave)
                if path in self.contents:
                    self.contents[grave] = self.contents.pop(path)
                self.names.append((operation, path, grave))

    def keep(self, path: str) -> None:
        if path not in self.contents:
            self.contents[path] = read(path)

    def synced(self, path: str) -> None:
        self.contents.pop(path, None)

    def entries_synced(self, directory: str) -> None:
        self.names = [change for change in self.names if os.path.dirname(change[1]) != directory]

    def lose(self, chance: random.Random) -> None:
        """The power is cut: of what is not synced, some is there and some is not."""
        share = chance.choice([0.0, 0.5, 1.0])  # of what is not synced, what reached the disk
        for path, old in self.contents.items():
            if os.path.exists(path):
                Path(path).write_bytes(mixed(old, read(path), chance, share))
        for operation, path, was in reversed(self.names):
            if chance.random() < share:
                continue
            match operation:
                case "create" if os.path.exists(path):
                    os.unlink(path)
                case "mkdir" if os.path.exists(path):
                    shutil.rmtree(path)
                case "rename" if os.path.exists(path):
                    os.rename(path, was)
                case "unlink" if os.path.isdir(os.path.dirname(path)) and not os.path.exists(path):
                    os.rename(was, path)
        self.contents.clear()
        self.names.clear()


class Fault:
    """Kills this process at operation ``at`` (from 1; 0: never), or at that one of those that begin with ``only``: for
    example ``unlink out/``.

    ``kill``: before it. ``torn``: when it is half done, or done if it has no half. ``power``: either, and the power is
    cut.
    """

    def __init__(self, home: Path, at: int, mode: Mode, seed: int, only: str = "") -> None:
        self.count = 0
        self._only = only
        self.unsynced = Unsynced.load(home)
        self._home, self._at, self._mode = home, at, mode
        self._chance = random.Random(seed)  # noqa: S311  (no secret)
        self._half = mode == "torn" or (mode == "power" and self._chance.random() < 0.5)
        self._lock = threading.RLock()
        self._dying = False
        self._place = ""

    def install(self) -> None:
        self._write, self._commit, self._close = disk.write, disk.commit, disk.close
        self._sync, self._sync_directory = disk.sync, disk.sync_directory
        disk.before = self.before
        disk.write, disk.commit, disk.close = self.write, self.commit, self.close
        disk.sync, disk.sync_directory = self.sync, self.sync_directory

    def before(self, operation: str, path: str) -> None:
        with self._lock:
            counts = f"{operation} {os.path.relpath(path, self._home)}".startswith(self._only)
            self.count += counts
            here = counts and self.count == self._at
            if here:
                self._place = f"{operation} {path}"
            if self._dying or (here and not self._half):
                self.die()
            self._dying = here
            self.unsynced.note(operation, path)

    def die(self) -> None:
        with self._lock:
            if self._mode == "power":
                self.unsynced.lose(self._chance)
            self.unsynced.save(self._home)
            (self._home / "killed").write_text(self._place)
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()

    def write(self, descriptor: int, data: memoryview, offset: int, path: str) -> int:
        with self._lock:
            if self.count + 1 == self._at and self._half:
                self._place = f"write {path}"
                self._write(descriptor, data[: self._chance.randrange(len(data) + 1)], offset, path)
                self.die()
            return self._write(descriptor, data, offset, path)

    def commit(self, database: sqlite3.Connection, path: str) -> None:
        with self._lock:
            log = path + "-wal"
            self.unsynced.keep(log)
            old = read(log)
            self._commit(database, path)
            if self._dying:
                new = read(log)
                Path(log).write_bytes(new[: (at := self._chance.randrange(len(new) + 1))] + old[at:])
                self.die()
            self.unsynced.synced(log)

    def close(self, database: sqlite3.Connection, path: str) -> None:
        """The log is synced before anything is moved from it, and removed only when all of it is moved and synced."""
        with self._lock:
            log = path + "-wal"
            self.unsynced.keep(path)
            old, old_log = read(path), read(log)
            self._close(database, path)
            self.unsynced.synced(log)
            if self._dying:
                Path(path).write_bytes(mixed(old, read(path), self._chance, self._chance.random()))
                Path(log).write_bytes(old_log)
                self.die()
            self.unsynced.synced(path)

    def sync(self, descriptor: int, path: str) -> None:
        self._sync(descriptor, path)
        with self._lock:
            self.unsynced.synced(path)

    def sync_directory(self, path: str) -> None:
        self._sync_directory(path)
        with self._lock:
            self.unsynced.entries_synced(path)


def mixed(old: bytes, new: bytes, chance: random.Random, share: float) -> bytes:
    """Sector by sector the old or the new content; of a length between; zeros where nothing was written."""
    length = chance.choice([len(old), len(new), chance.randint(*sorted((len(old), len(new))))])
    parts = []
    for start in range(0, length, SECTOR):
        source = new if chance.random() < share else old
        parts.append(source[start : min(start + SECTOR, length)].ljust(min(SECTOR, length - start), b"\0"))
    return b"".join(parts)


def read(path: str) -> bytes:
    """Empty where there is no such file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
