"""Files that are deleted when they are done: read to their end, finished, and committed.

First the commit that ends the file, then the deletion: killed in between, the next start finds the file ended and
there, goes on with it, and comes to the same end again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterable

from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.ledger import BEFORE_START
from tailrace.pipeline.source.tail.registry import Key, Registry


class Done:
    """Called by ``Tail`` only."""

    def __init__(self, settings: TailSettings, registry: Registry, until_eof: bool) -> None:
        self._settings, self._registry, self._until_eof = settings, registry, until_eof
        self._ended: dict[int, File] = {}  # by file id: to be deleted when their end is committed
        self._kept: set[Key] = set()  # could not be deleted, which was said

    def look(self, now: float) -> None:
        """After a scan: end those that are done."""
        if self._settings.on_done == "keep" or self._until_eof:
            return
        quiet = self._settings.close_after
        self._end(file for file in self._registry.living.values() if file.settled and now - file.quiet_since >= quiet)

    def leave(self) -> None:
        """At the end of a run to the end: all that is read is on its way, and will be committed with this."""
        if self._settings.on_done != "keep" and self._until_eof:
            self._end(self._registry.living.values())

    def _end(self, files: Iterable[File]) -> None:
        for file in list(files):
            if not file.file_id or not file.size or file.gone_since is not None or file.key in self._kept:
                continue
            if file.undecided or file.failed or file.unread or file.has_data or file.size > file.reach:
                continue
            if file.packed or file.damaged or BEFORE_START in file.ledger.skipped:
                continue  # not all that it holds was read
            try:
                self._registry.descriptors.open(file)
                if os.fstat(file.fd).st_size != file.size or not _lease(file.fd):
                    continue
                _release(file.fd)
            except OSError as error:
                self._registry.trouble(file, error)
                continue
            self._registry.remove(file)
            self._registry.end(file, file.quiet_since, truncated=False)
            self._ended[file.file_id] = file

    def committed(self, file_ids: Iterable[int]) -> None:
        """Their rows are durable."""
        for file_id in file_ids:
            file = self._ended.pop(file_id, None)
            if file is not None and file.settled:
                self._delete(file)
                self._registry.descriptors.close(file)

    def forget(self) -> None:
        """What is not committed never happened: the next scan finds the files again."""
        for file in self._ended.values():
            self._registry.descriptors.close(file)
        self._ended.clear()

    def _delete(self, file: File) -> None:
        """While nobody can open it for writing, where the system can see to that."""
        try:
            if not _lease(file.fd):
                return  # somebody writes to it: the next scan goes on with it
            try:
                found, held = os.lstat(file.path), os.fstat(file.fd)
                if stat.S_ISLNK(found.st_mode):
                    raise OSError(errno.EINVAL, "its name is a symbolic link")
                if (found.st_dev, found.st_ino) != file.key or held.st_size != file.cursor.committed.offset:
                    return
                os.unlink(file.path)
            finally:
                _release(file.fd)
        except OSError as error:
            self._kept.add(file.key)
            self._registry.log.warning("file.not_deleted", **file.place, why=error.strerror)
            return
        self._registry.counters.add("files_deleted")
        self._registry.log.info("file.deleted", **file.place, notice='done with, as source.on_done = "delete" says')


def _lease(fd: int) -> bool:
    """Keep others from opening the file for writing. False: somebody has it open so. Where the system knows nothing of
    that, or the file is another user's, it is as if nobody had."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return True
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # what is sent to us when somebody tries: this one is ignored
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno != errno.EAGAIN
    return True


def _release(fd: int) -> None:
    if hasattr(fcntl, "F_SETLEASE"):
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            return  # there was none
