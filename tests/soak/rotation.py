"""Writers that can go on for hours: what has surely been read is deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import deque
from pathlib import Path

from ..scenarios.daemon import Daemon
from ..scenarios.writer import BAD_EVERY, Writer
from .ledger import Ledger

COPIES = 3  # of a truncated file that are kept


class Renaming(Writer):
    """Rotates by rename, and deletes the oldest file once the ledger has all of its lines."""

    def __init__(self, path: Path, ledger: Ledger, *, rotate_every: int, burst: int, pause: float) -> None:
        super().__init__(path, rotate_every=rotate_every, burst=burst, pause=pause, who=path.stem)
        self._account = ledger.open(self.who)
        self._rotated: deque[tuple[int, int]] = deque()  # lines of the files that are kept, the oldest first
        self._first = 0  # line of the current file

    def _rotate(self) -> None:
        while self._rotated and self._account.complete(*self._rotated[0]):
            self._rotated.popleft()
            os.unlink(f"{self.path}.{self.kept}")
            self.kept -= 1
        self._rotated.append((self._first, self.written))
        self._first = self.written
        super()._rotate()


class Truncating(Writer):
    """Rotates by copytruncate: waits until everything is read and committed, for only then nothing can be lost."""

    def __init__(
        self, path: Path, copies: Path, daemon: Daemon, ledger: Ledger, *, rotate_every: int, burst: int, pause: float
    ) -> None:
        super().__init__(path, rotate_every=rotate_every, burst=burst, pause=pause, who=path.stem)
        self._copies = copies
        self._daemon = daemon
        self._account = ledger.open(self.who)

    def _rotate(self) -> None:
        while not self._read():
            if self._stop.wait(0.1):
                return
        self.rotations += 1
        shutil.copyfile(self.path, self._copies / f"{self.path.name}.{self.rotations}")
        os.truncate(self.path, 0)
        (self._copies / f"{self.path.name}.{self.rotations - COPIES}").unlink(missing_ok=True)

    def _read(self) -> bool:
        """Its last good line is out, so the newest row of the state is of this generation; and that is all done."""
        last = self.written - 1
        last -= last % BAD_EVERY == BAD_EVERY - 1
        if not self._account.has(last) and b'{"n":%d,' % last not in self._daemon.text(f"{self.who}.ndjson")[-1000:]:
            return False
        st = self.path.stat()
        try:
            rows = self._daemon.query(
                f"SELECT offset FROM files WHERE inode = {st.st_ino} ORDER BY file_id DESC LIMIT 1"  # noqa: S608
            )
        except sqlite3.OperationalError:  # it starts or stops just now
            return False
        return rows == [(st.st_size,)]
