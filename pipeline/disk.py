"""Each change of what is durable, by sinks and by the state, is one call here: tests can count, stop or fail it.

Paths are absolute and resolved. They are walked directory by directory with descriptors; no symbolic link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from errno import EINVAL, ELOOP, ENOTDIR
from itertools import count

TYPE_CHECKING = False  # typing's own takes time to import, and every worker imports this
if TYPE_CHECKING:
    import sqlite3


def _nothing(operation: str, path: str) -> None:
    pass


before: Callable[[str, str], None] = _nothing  # called ahead of each change with its name and the path; may raise

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WALK = _DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)  # O_PATH (Linux): passing through needs no read permission
_COPY = 1 << 20  # bytes copied at once
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # O_NONBLOCK: a FIFO put there must not hold us up


def open_parent(path: str, *, mode: int | None = None) -> int:
    """A descriptor of the directory that holds ``path``. With ``mode``, missing directories are made."""
    names = path.split("/")[1:-1]
    descriptor = os.open("/", _WALK)
    try:
        for depth, name in enumerate(names):
            here = "/" + "/".join(names[: depth + 1])
            with _naming(here):
                try:
                    inner = os.open(name, _WALK, dir_fd=descriptor)
                except FileNotFoundError:
                    if mode is None:
                        raise
                    before("mkdir", here)
                    os.mkdir(name, mode, dir_fd=descriptor)
                    inner = os.open(name, _WALK, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_file(path: str) -> int:
    """A descriptor to read and write a file that is known to be a regular one; FileNotFoundError, other OSErrors."""
    parent = open_parent(path)
    try:
        with _naming(path):
            return os.open(os.path.basename(path), _FILE, dir_fd=parent)
    finally:
        os.close(parent)


def create(path: str, mode: int) -> tuple[int, bool]:
    """As ``open_file``, but the file and its directories are made where they are missing; whether the file was.

    Syncing the ``directories`` of ``path`` makes that durable.
    """
    parent = open_parent(path, mode=mode | (mode & 0o444) >> 2)  # who may read a file may enter
    name = os.path.basename(path)
    try:
        with _naming(path):
            while True:
                try:
                    return _usable(os.open(name, _FILE, dir_fd=parent), path), False
                except FileNotFoundError:
                    before("create", path)
                    try:
                        descriptor = os.open(name, _FILE | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent)
                    except FileExistsError:  # somebody was faster
                        continue
                os.fchmod(descriptor, mode)  # as configured, whatever the umask
                return descriptor, True
    finally:
        os.close(parent)


def directories(path: str) -> set[str]:
    """All that lead to ``path``, less those further up that we may not read: they were there before us.

    Also one that was there when this process began may be of an earlier one that was killed before it could sync it.
    """
    found = {above := os.path.dirname(path)}
    while above != "/":
        above = os.path.dirname(above)
        if os.access(above, os.R_OK):
            found.add(above)
    return found


def status(path: str) -> os.stat_result:
    """Of what the name stands for now, a symbolic link itself included; FileNotFoundError, other OSErrors."""
    parent = open_parent(path)
    try:
        with _naming(path):
            return os.stat(os.path.basename(path), dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def write(descriptor: int, data: memoryview, offset: int, path: str) -> int:
    before("write", path)
    with _naming(path):
        return os.pwrite(descriptor, data, offset)


def truncate(descriptor: int, length: int, path: str) -> None:
    before("truncate", path)
    with _naming(path):
        os.ftruncate(descriptor, length)


def sync(descriptor: int, path: str) -> None:
    """Content and length are durable on return."""
    before("sync", path)
    with _naming(path):
        _datasync(descriptor)


def sync_directory(path: str) -> None:
    """The directory's entries are durable on return."""
    before("sync", path)
    parent = open_parent(os.path.join(path, "."))
    try:
        with _naming(path):
            descriptor = os.open(".", os.O_RDONLY | _DIRECTORY, dir_fd=parent)  # O_PATH descriptors cannot be synced
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    finally:
        os.close(parent)


def unlink(path: str) -> None:
    before("unlink", path)
    parent = open_parent(path)
    try:
        with _naming(path):
            os.unlink(os.path.basename(path), dir_fd=parent)
    finally:
        os.close(parent)


def rename(path: str, new: str) -> None:
    """Within one directory; what stood under the new name is replaced."""
    before("rename", new)
    parent = open_parent(path)
    try:
        with _naming(path):
            os.rename(os.path.basename(path), os.path.basename(new), src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.close(parent)


def set_aside(path: str, start: int) -> str:
    """The name of a durable copy, beside the file, of what it holds from ``start`` on. Harmless to be killed in: the
    next call finishes the copy."""
    source = open_file(path)
    try:
        for number in count(1):
            aside = f"{path}.aside-{start}" + (f".{number}" if number > 1 else "")
            copy, _ = create(aside, 0o600)
            try:
                if _goes_on(copy, source, start):
                    _copy(source, start, copy, aside)
                    sync(copy, aside)
                    break
            finally:
                os.close(copy)
        sync_directory(os.path.dirname(path))
    finally:
        os.close(source)
    return aside


def _goes_on(copy: int, source: int, start: int) -> bool:
    """Whether the copy holds what the source does from ``start`` on, as far as it goes."""
    at = 0
    while data := os.pread(copy, _COPY, at):
        if os.pread(source, len(data), start + at) != data:
            return False
        at += len(data)
    return True


def _copy(source: int, start: int, copy: int, path: str) -> None:
    at = os.fstat(copy).st_size
    while data := memoryview(os.pread(source, _COPY, start + at)):
        at += write(copy, data, at, path)


def commit(database: sqlite3.Connection, path: str) -> None:
    """The open transaction is durable on return; sqlite3.Error."""
    before("commit", path)
    database.execute("COMMIT")


def close(database: sqlite3.Connection, path: str) -> None:
    """Who closes a database last moves its write-ahead log into the file and removes the log."""
    before("close", path)
    database.close()


_datasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


def _usable(descriptor: int, path: str) -> int:
    """The descriptor, if it is of a regular file without another name: nor may a hard link lead us elsewhere."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    what = "has several hard links" if stat.S_ISREG(status.st_mode) else "is not a regular file"
    raise OSError(EINVAL, f"{what}: not written to", path)


class _naming:  # noqa: N801  used like a function
    """Gives OSErrors the whole path: operations on descriptors know only a part of it, or none."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            error.filename = self._path
            if error.errno == ELOOP:
                error.strerror = "a symbolic link, which is not followed here"
            elif error.errno == ENOTDIR:
                error.strerror = "not a directory (a symbolic link to one is not followed here)"
