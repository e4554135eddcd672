"""Who may use a state directory: one daemon at a time holds the lock in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tailrace.pipeline import disk
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.state.file import OF_THE_DISK, unwritable

LOCK_NAME = "lock"


def take(lock: int, path: str) -> None:
    """Lock a state directory until the descriptor of its lock is closed; StateError if another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateError(
            f"{os.path.dirname(path)}: another tailrace (process {read_holder(lock)}) uses this state directory; "
            "stop it first, or give this one its own pipeline.state_dir"
        ) from error
    try:  # our process id, for the message of whoever comes second; it need not outlive a crash
        disk.truncate(lock, 0, path)
        disk.write(lock, memoryview(f"{os.getpid()}\n".encode()), 0, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}; {OF_THE_DISK}") from error


def read_holder(lock: int) -> str:
    """The process that wrote itself into the lock, for people."""
    return os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"


def holder(directory: str) -> str | None:
    """The process of the daemon that has this state directory now, as it wrote it down. Touches nothing."""
    try:
        lock = os.open(os.path.join(directory, LOCK_NAME), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(lock)
    finally:
        os.close(lock)
    return None


@contextmanager
def held(directory: str) -> Iterator[None]:
    """No daemon can start on this state directory meanwhile. One that was never used is not made, and cannot be held.

    StateError: a daemon has it, or it may not be written.
    """
    path = os.path.join(os.path.realpath(directory), LOCK_NAME)
    with ExitStack() as undo:
        try:
            lock = disk.open_file(path)
            undo.callback(os.close, lock)
            take(lock, path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise unwritable(Path(path).parent, error.strerror) from error
        yield
