"""The files that are known: living ones by inode, path and file id, and what may happen to one of them."""

from __future__ import annotations

import os
from collections.abc import Callable

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.descriptors import Descriptors
from tailrace.pipeline.source.tail.ended import Ended, Log
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.ledger import COMPRESSED
from tailrace.pipeline.source.tail.troubles import Complaints
from tailrace.pipeline.telemetry.counters import Counters

Key = tuple[int, int]
"""(device, inode)"""


class Known:
    """``offer`` is told of every file that may have something to be read."""

    def __init__(self, log: Log, counters: Counters, descriptors: Descriptors, offer: Callable[[File], None]) -> None:
        self.log, self.counters, self.descriptors, self.offer = log, counters, descriptors, offer
        self.complaints = Complaints(log)
        self.ended = Ended(log, counters, self.changed)
        self.living: dict[Key, File] = {}
        self.by_path: dict[bytes, File] = {}  # living
        self.by_id: dict[int, File] = {}  # living and ended
        self.dirty: set[int] = set()  # file ids whose row changed since the last cut
        self.waiting: dict[File, None] = {}  # newcomers that are empty, or may be a copy in the making
        self.unregistered: dict[File, None] = {}  # with content, and no file id yet
        self.scan = 0  # number of the last scan
        self._failed: set[File] = set()  # tried again after the next scan

    def add(self, file: File) -> None:
        self.living[file.key] = self.by_path[file.path] = file

    def remove(self, file: File) -> None:
        """It is not living any more, as far as this map goes."""
        del self.living[file.key]
        self.forget_path(file)

    def forget_path(self, file: File) -> None:
        if self.by_path.get(file.path) is file:
            del self.by_path[file.path]

    def refresh(self, file: File, st: os.stat_result, now: float) -> None:
        """What its descriptor tells, if that is news."""
        if st.st_size != file.size or st.st_mtime_ns != file.mtime_ns:
            self.notice(file, file.path, st, now)

    def notice(self, file: File, path: bytes, st: os.stat_result, now: float) -> None:
        """Its size or its time changed."""
        reused = file.fd < 0 and path != file.path  # if it holds something else, it is not our file at another place
        file.verified = file.verified and not reused  # so it is looked at, also if it may just have grown
        try:
            if file.fd < 0 and (not file.verified or st.st_size <= file.size):
                st = self.descriptors.open(file, path)
            lost = file.notice(st, now)
        except Changed:
            if file.fd >= 0:
                self.replaced(file, path, now, reused=reused)
            return  # (else the path leads elsewhere by now: the next scan will see)
        except OSError as error:
            self.trouble(file, error)
            return
        if lost:
            self.ended.lose(file, "truncated", file.size, file.size + lost)
        if not file.undecided and not file.file_id:
            self.await_id(file)
        self.offer(file)

    def replaced(self, old: File, path: bytes, now: float, *, reused: bool = False) -> None:
        """The open file holds something else than was read: a new generation, from the beginning. ``reused``: the inode
        was given to another file while ours was not open."""
        new = File(path, base_name(path) if reused else old.name, old.device, old.inode)
        self.descriptors.hand_over(old, new)
        st = os.fstat(new.fd)
        new.size, new.mtime_ns, new.quiet_since = st.st_size, st.st_mtime_ns, now
        new.scan, new.home, new.gone_since = old.scan, old.home, old.gone_since
        if old.grown_from is not None and old.size == st.st_size:  # it was the new one that was larger
            old.size = max(old.grown_from, old.read.offset)
        new.limit = 0 if old.limit is not None else None
        self.remove(old)
        self.living[new.key] = new
        if new.gone_since is None:
            self.by_path[path] = new
        event = "file.replaced" if reused else "file.truncated"
        was = {"file_id": old.file_id, "offset": old.read.offset, "size": old.size}
        self.log.info(event, file=new.shown, **was, size_now=st.st_size)
        self.counters.add("files_replaced" if reused else "files_truncated")
        self.waiting.pop(old, None)
        self.unregistered.pop(old, None)
        if old.file_id:
            self.end(old, now, truncated=not reused)
            if reused:
                self.ended.close_account(old, "deleted")
        elif old.size:
            self.ended.lose(old, "truncated", 0, old.size)
        if new.limit is None:  # it may be a copy that was written over an older one
            new.undecided = True
            self.waiting[new] = None

    def await_id(self, file: File) -> None:
        """It is registered with the others that are new, once there is something in it."""
        if file.reach and not file.file_id:
            self.unregistered[file] = None

    def end(self, file: File, now: float, *, truncated: bool) -> None:
        self.ended.add(file, now, self.scan, truncated=truncated)
        self.changed(file)

    def changed(self, file: File) -> None:
        """Its row goes into the next cut, if it has one."""
        if file.file_id:
            self.dirty.add(file.file_id)

    def rename(self, file: File, path: bytes) -> None:
        if self.living.get(file.key) is not file:
            return  # it was found to hold something else
        self.forget_path(file)
        say = self.log.debug if file.packed else self.log.info
        say("file.rotated", file=escape(os.fsdecode(path)), was=file.shown, file_id=file.file_id)
        self.counters.add("files_rotated")
        file.moved(path)
        self.by_path[path] = file
        self.changed(file)

    def finish(self, file: File, now: float) -> None:
        """Nothing more is read from it."""
        self.remove(file)
        self.descriptors.close(file)
        self.waiting.pop(file, None)
        self.unregistered.pop(file, None)
        if not file.file_id:
            self.ended.lose(file, "deleted", 0, file.size)  # (mostly it was empty all the time)
            return
        self.end(file, now, truncated=False)
        unread = file.size - file.read.offset
        self.ended.close_account(file, "deleted")
        self.counters.add("files_finished")
        say = self.log.debug if file.packed else self.log.info
        say("file.finished", **file.place, unread=unread, notice="no longer followed")

    def pass_over(self, file: File, kind: str) -> None:
        """It is packed. ``Changed``, OSError."""
        known = file.packed
        self.counters.add("bytes_skipped", file.pass_over(), reason=COMPRESSED)
        self.changed(file)
        if not known:
            self.log.warning(
                "file.compressed", **file.place, kind=kind,
                notice="packed files are not read: name them in source.exclude; `tailrace replay` reads .gz and .zst",
            )  # fmt: skip

    def trouble(self, file: File, error: OSError) -> None:
        """It could not be opened or read."""
        self.complaints.unreadable(file, error)
        self.try_later(file)

    def try_later(self, file: File) -> None:
        """Nothing is read from it before the next scan, which may find it under another name."""
        file.failed = True
        self._failed.add(file)

    def rewind(self) -> None:
        """Every file back to what is committed."""
        for file in self.by_id.values():
            if file.pending or file.read.offset != file.committed.offset:
                file.rewind()
                if file.accounted:
                    self.ended.close_account(file, "truncated" if file.truncated else "deleted")
        for file in self.living.values():
            self.offer(file)

    def try_again(self) -> list[File]:
        """Before a scan: those that could not be read and may be offered after it."""
        failed, self._failed = self._failed, set()
        for file in failed:
            file.failed = False
        return list(failed)


def base_name(path: bytes) -> str:
    """Printable."""
    return escape(os.fsdecode(os.path.basename(path)))
