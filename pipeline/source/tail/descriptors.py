"""The open descriptors of the tailed files, kept within the process's limit: the least recently used idle one goes."""

from __future__ import annotations

import os
import resource
import stat
from itertools import islice

from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import Changed

RESERVE = 64  # descriptors left for sinks, state, workers and libraries
CANDIDATES = 16  # of the least recently used files, among which the one to be closed is chosen
LEAST = 8  # however low the limit is
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # never blocks, whatever stands at the path by now


class NoRoomError(OSError):
    """All descriptors are of files that must stay open; the next scan tries again."""


class NotRegularError(OSError):
    """Something else than a regular file stands at the path; ``kind`` says what, for people."""

    def __init__(self, mode: int) -> None:
        super().__init__()
        self.kind = kind(mode)


def allowance() -> int:
    """How many files may be open at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(LEAST, soft - RESERVE)


class Descriptors:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[File, None] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._open)

    def open(self, file: File, path: bytes | None = None) -> os.stat_result:
        """Open ``file`` where it is (or at ``path``). OSError; ``Changed``: another file stands there by now."""
        if file.fd >= 0:
            self._open[file] = self._open.pop(file)
            return os.fstat(file.fd)
        if len(self._open) >= self._limit:
            self._make_room()
        fd = os.open(path or file.path, FLAGS)
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode) or (st.st_dev, st.st_ino) != file.key:
            os.close(fd)
            if not stat.S_ISREG(st.st_mode):
                raise NotRegularError(st.st_mode)
            raise Changed
        file.fd = fd
        self._open[file] = None
        return st

    def hand_over(self, old: File, new: File) -> None:
        """The same descriptor, for the next generation of the same file."""
        if old.fd >= 0:
            new.fd, old.fd = old.fd, -1
            del self._open[old]
            self._open[new] = None

    def take_all(self) -> dict[int, int]:
        """All of them, by file id, for another one's ``adopt``; those of files without an id are closed."""
        taken = {}
        for file in list(self._open):
            if file.file_id:
                del self._open[file]
                taken[file.file_id], file.fd = file.fd, -1
        self.close_all()
        return taken

    def adopt(self, file: File, fd: int) -> None:
        file.fd = fd
        self._open[file] = None

    def close(self, file: File) -> None:
        if file.fd >= 0:
            del self._open[file]
            os.close(file.fd)
            file.fd = -1

    def close_all(self) -> None:
        for file in list(self._open):
            self.close(file)

    def _make_room(self) -> None:
        """Best of all, close one that has nothing unread or uncommitted; never one whose name is gone: it could not be
        opened again."""
        named = list(islice((file for file in self._open if file.gone_since is None), CANDIDATES))
        victim = next((file for file in named if file.settled and not file.has_data), None)
        victim = victim or next((file for file in named if not file.has_data), None) or next(iter(named), None)
        if victim is None:
            raise NoRoomError(f"all {self._limit} descriptors are in use by files that are gone and not yet read")
        self.close(victim)


def kind(mode: int) -> str:
    """For people: what stands there instead of a regular file."""
    names = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return names.get(stat.S_IFMT(mode), "a directory" if stat.S_ISDIR(mode) else "not a regular file")
