"""What a daemon must not leave behind when it ends, however it ends: its workers and the memory they shared."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path


def gone(session: int, memory: Collection[int]) -> bool:
    """No process of the session is left (a zombie is gone), and nobody holds shared memory with these inodes."""
    return not _alive(session) and not _held(memory)


def _alive(session: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                return True
    return False


def _held(memory: Collection[int]) -> bool:
    """Whoever maps a ring holds a descriptor of it, too: Python's mmap keeps one."""
    return any(memory_of(int(name)) & set(memory) for name in os.listdir("/proc") if name.isdigit())


def memory_of(process: int) -> set[int]:
    """Inodes of the shared memory that it has open; none of one that is gone, or not ours to look at."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for number in os.listdir(f"/proc/{process}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed by now
                if "memfd:" in os.readlink(path := f"/proc/{process}/fd/{number}"):
                    found.add(os.stat(path).st_ino)
    return found
