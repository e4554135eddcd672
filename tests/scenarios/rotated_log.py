"""A program that logs into a file that is rotated, and remembers what it has written, by generation."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from pathlib import Path
from typing import IO

from .conditions import Rotation

BAD_EVERY = 90  # each so manieth line is no JSON


class RotatedLog:
    """The program that logs: it knows what it has written, by generation, and rotates its file."""

    def __init__(self, directory: Path, rotation: Rotation) -> None:
        self.directory, self.path, self.rotation = directory, directory / "app.log", rotation
        self.generation = 0
        self.written: dict[str, list[bytes]] = {}  # whole lines, by generation
        self.deleted: list[str] = []  # generations whose files are gone
        self.hidden: list[str] = []  # generations to whose files no name leads that a daemon may look for
        self.rest = b""  # of a line that has begun
        self.stray: list[bytes] = []  # ends of lines, which came into another file than their beginnings
        self.stranded = 0  # bytes of a half line that nobody will ever end
        self._file: IO[bytes]
        self._begin()

    @property
    def name(self) -> str:
        return f"g{self.generation}"

    def _begin(self) -> None:
        self.generation += 1
        self.written[self.name] = []
        path = self.path
        if self.rotation == "switch a link":
            path = self.directory / f"target-{self.generation}"
        if self.generation == 1 or self.rotation != "copytruncate":
            self._file = path.open("ab", buffering=0)
        if path != self.path:
            new = self.directory / "link"
            new.symlink_to(path.name)
            new.replace(self.path)

    def append(self, count: int, *, half: bool = False) -> None:
        lines = self.written[self.name]
        new = [self._line(n) for n in range(len(lines), len(lines) + count)]
        lines += new
        data = b"".join(new)
        cut = len(data) - len(new[-1]) // 2 if half else len(data)
        self._file.write(data[:cut])
        self.rest = data[cut:]

    def _line(self, n: int) -> bytes:
        if n % BAD_EVERY == BAD_EVERY - 1:
            return b"%s: no json %d\n" % (self.name.encode(), n)
        return b'{"gen":"%s","n":%d,"pad":"%s"}\n' % (self.name.encode(), n, b"x" * (150 + n % 97))

    def end_line(self) -> None:
        self._file.write(self.rest)
        self.rest = b""

    def rotate(self) -> None:
        """The program goes on in the old file until its line is ended; with copytruncate there is no old file."""
        old, was = self._file, self.name
        match self.rotation:
            case "rename" | "rename and gzip":
                for n in range(self.generation - 1, 0, -1):
                    for end in ("", ".gz"):
                        with contextlib.suppress(FileNotFoundError):
                            os.rename(f"{self.path}.{n}{end}", f"{self.path}.{n + 1}{end}")
                os.rename(self.path, f"{self.path}.1")
            case "copytruncate":
                if self.generation > 1:
                    os.rename(f"{self.path}.1", f"{self.path}.2")
                shutil.copyfile(self.path, f"{self.path}.1")
                os.truncate(self.path, 0)
                if self.rest:
                    self.stray.append(self.rest.rstrip(b"\n"))
                    self.stranded += len(self.written[was].pop()) - len(self.rest)
            case "delete and create":
                self.path.unlink()
                self.deleted.append(was)
            case "switch a link":
                self.hidden.append(was)
        if self.rotation != "none":
            self._begin()
        if self.rest and self.rotation != "none":
            old.write(self.rest)  # by the same descriptor as ever
            self.rest = b""
        if self.rotation == "rename and gzip":
            packed = Path(f"{self.path}.1")
            with gzip.open(f"{packed}.gz", "wb", compresslevel=1) as file:
                file.write(packed.read_bytes())
            packed.unlink()
            self.deleted.append(was)
        if old is not self._file:
            old.close()

    def close(self) -> None:
        self._file.close()
