"""Writers that can go on for hours: what has surely been read is deleted. Each rotates in its own way."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
from collections import deque
from pathlib import Path

from ..scenarios.daemon import Daemon
from ..scenarios.writer import BAD_EVERY, Writer
from .ledger import SINKS, Account, Ledger

COPIES = 3  # of what was rotated out of the pattern
BURST, PAUSE = 20, 0.1  # lines, seconds: about 200 lines a second and writer
LOOK = 0.1  # seconds between two looks whether something has been read


class Renaming(Writer):
    """Rotates by rename, and deletes the oldest file once the ledger has all of its lines."""

    def __init__(self, path: Path, ledger: Ledger, *, rotate_every: int) -> None:
        super().__init__(path, rotate_every=rotate_every, burst=BURST, pause=PAUSE, who=path.stem)
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


class Waiting(Writer):
    """Takes away what a killed daemon could not find again, and so waits until it is read and committed."""

    def __init__(self, path: Path, archive: Path, daemon: Daemon, ledger: Ledger, *, rotate_every: int) -> None:
        super().__init__(path, rotate_every=rotate_every, burst=BURST, pause=PAUSE, who=path.stem)
        self._archive = archive
        self._daemon = daemon
        self._account: Account = ledger.open(self.who)

    def _rotate(self) -> None:
        if self._wait_until_read(self.path, self.written - 1):
            self.rotations += 1
            self._take_away()
            (self._archive / f"{self.path.name}.{self.rotations - COPIES}").unlink(missing_ok=True)

    def _take_away(self) -> None:
        raise NotImplementedError

    @property
    def _archived(self) -> Path:
        return self._archive / f"{self.path.name}.{self.rotations}"

    def _wait_until_read(self, path: Path, last: int) -> bool:
        """Whether it is, up to its last line; False: the soak is over."""
        while not self._read(path, last):
            if self._stop.wait(LOOK):
                return False
        return True

    def _read(self, path: Path, last: int) -> bool:
        """Its last good line is out, so the newest row of the state is of this generation; and that is all done."""
        last -= last % BAD_EVERY == BAD_EVERY - 1
        output = self._daemon.home / SINKS[0] / f"{self.who}.ndjson"
        if not self._account.has(last) and not (output.exists() and b'{"n":%d,' % last in output.read_bytes()):
            return False
        st = path.stat()
        try:
            rows = self._daemon.query(
                f"SELECT offset FROM files WHERE inode = {st.st_ino} ORDER BY file_id DESC LIMIT 1"  # noqa: S608
            )
        except sqlite3.OperationalError:  # it starts or stops just now, or has no room
            return False
        return rows == [(st.st_size,)]


class Truncating(Waiting):
    """Rotates by copytruncate; the archive may be in the pattern or out of it."""

    def _take_away(self) -> None:
        shutil.copyfile(self.path, self._archived)
        os.truncate(self.path, 0)


class Deleting(Waiting):
    """Deletes the file; the next one may well get its inode."""

    def _take_away(self) -> None:
        os.unlink(self.path)


class Linking(Waiting):
    """Its path is a symbolic link, which is switched to the next file."""

    def start(self) -> None:
        self._archived.touch()
        self.path.symlink_to(self._archived)
        super().start()

    def _take_away(self) -> None:
        self._archived.touch()
        new = self._archive / "link"
        new.symlink_to(self._archived)
        new.replace(self.path)


class Gzipping(Waiting):
    """Renames in the pattern; at the next rotation that file is compressed and leaves it, as with delaycompress."""

    _last = 0  # line of the renamed file

    def _rotate(self) -> None:
        old = Path(f"{self.path}.1")
        if old.exists():
            if not self._wait_until_read(old, self._last):
                return
            with gzip.open(self._archive / f"{old.name}.gz", "wb") as packed:
                packed.write(old.read_bytes())
            old.unlink()
        self.path.rename(old)
        self._last = self.written - 1
        self.rotations += 1
