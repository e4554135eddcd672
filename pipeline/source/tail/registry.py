"""The files that the tailer knows: living ones by inode, path and file id, ended ones, and what may happen to one."""

from __future__ import annotations

import os
from collections.abc import Callable

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.descriptors import Descriptors
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.ledger import COMPRESSED, TAKEN_OVER
from tailrace.pipeline.source.tail.position import base_name
from tailrace.pipeline.source.tail.troubles import Troubles
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.log import Log

Key = tuple[int, int]
"""(device, inode)"""

REWRITTEN = (
    "its modification time changed, its size and content did not (checked: its beginning, and the bytes before the "
    "position): it was touched, or rewritten with the same text. Nothing is read again"
)
RETIRE_AFTER = 3600.0  # seconds for which an ended generation is remembered: a file that was moved away may come back
MOST_ENDED = 10_000  # ended generations remembered, however young


class Registry:
    """``offer`` is called with every file that may have something to be read."""

    def __init__(self, log: Log, counters: Counters, descriptors: Descriptors, offer: Callable[[File], None]) -> None:
        self.log, self.counters, self.descriptors, self.offer = log, counters, descriptors, offer
        self.troubles = Troubles(log)
        self.ended = Ended(log, counters, self.changed)
        self.living: dict[Key, File] = {}
        self.by_path: dict[bytes, File] = {}  # living
        self.by_id: dict[int, File] = {}  # living and ended
        self.unwanted: dict[Key, File] = {}  # of the state, and the configuration does not ask for them: left alone
        self.dirty: set[int] = set()  # file ids whose row changed since the last cut
        self.waiting: dict[File, None] = {}  # new ones that are empty, or may be a copy in the making
        self.unregistered: dict[File, None] = {}  # with content, and no file id yet
        self.scan = 0  # number of the last scan
        self._failed: set[File] = set()  # tried again after the next scan

    def add(self, file: File) -> None:
        self.living[file.key] = self.by_path[file.path] = file

    def remove(self, file: File) -> None:
        """No longer one of the living."""
        del self.living[file.key]
        self.forget_path(file)

    def forget_path(self, file: File) -> None:
        if self.by_path.get(file.path) is file:
            del self.by_path[file.path]

    def refresh(self, file: File, st: os.stat_result, now: float) -> None:
        """Take note of what its descriptor says, if that has changed."""
        if st.st_size != file.size or st.st_mtime_ns != file.mtime_ns:
            self.notice(file, file.path, st, now)

    def notice(self, file: File, path: bytes, st: os.stat_result, now: float) -> None:
        """Its size or its time changed."""
        reused = file.fd < 0 and path != file.path  # if it holds something else, it is not our file at another place
        file.verified = file.verified and not reused  # so it is looked at, also if it may just have grown
        try:
            if file.fd < 0 and (not file.verified or st.st_size <= file.size):
                st = self.descriptors.open(file, path)
            rewritten = file.rewritten(st)
            lost = file.notice(st, now)
        except Changed:
            if file.fd >= 0:
                self.replaced(file, path, now, reused=reused)
            return  # (else the path leads elsewhere by now: the next scan will see)
        except OSError as error:
            self.trouble(file, error)
            return
        if rewritten and file.file_id and os.fstat(file.fd).st_size == file.size:  # (else it was about to grow)
            self.log.warning("file.rewritten", **file.place, notice=REWRITTEN)
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
        new.see(st)
        new.quiet_since = now
        new.scan, new.home, new.gone_since = old.scan, old.home, old.gone_since
        if old.grown_from is not None and old.size == st.st_size:  # it was the new one that was larger
            old.size = max(old.grown_from, old.cursor.read.offset)
        new.limit = 0 if old.limit is not None else None
        self.remove(old)
        self.living[new.key] = new
        if new.gone_since is None:
            self.by_path[path] = new
        event = "file.replaced" if reused else "file.truncated"
        was = {"file_id": old.file_id, "offset": old.cursor.read.offset, "size": old.size}
        self.log.info(event, file=new.shown, **was, size_now=st.st_size)
        self.counters.add("files_replaced" if reused else "files_truncated")
        self.waiting.pop(old, None)
        self.unregistered.pop(old, None)
        if old.file_id:
            old.reused = reused
            self.end(old, now, truncated=True)  # also then: a file that was renamed, copied and emptied looks the same
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
        unread = file.unread
        self.ended.close_account(file, "deleted")
        self.counters.add("files_finished")
        say = self.log.debug if file.packed else self.log.info
        say("file.finished", **file.place, unread=unread, notice="no longer followed")

    def skip_packed(self, file: File, kind: str) -> None:
        """It is packed. ``Changed``, OSError."""
        known = file.packed
        self.counters.add("bytes_skipped", file.skip_packed(), reason=COMPRESSED)
        self.changed(file)
        if not known:
            self.log.warning(
                "file.compressed", **file.place, kind=kind,
                notice="packed files are not read: add them to source.exclude; `tailrace replay` reads .gz and .zst",
            )  # fmt: skip

    def trouble(self, file: File, error: OSError) -> None:
        """It could not be opened or read."""
        self.troubles.unreadable(file, error)
        self.try_later(file)

    def try_later(self, file: File) -> None:
        """Nothing is read from it before the next scan, which may find it under another name."""
        file.failed = True
        self._failed.add(file)

    def rewind(self) -> None:
        """Every file back to what is committed."""
        for file in self.by_id.values():
            if file.cursor.pending or file.cursor.read.offset != file.cursor.committed.offset or file.unpacked:
                file.rewind()
                if file.accounted:
                    self.ended.close_account(file, file.loss)
        for file in self.living.values():
            self.offer(file)

    def try_again(self) -> list[File]:
        """Before a scan: those that could not be read and may be offered after it."""
        failed, self._failed = self._failed, set()
        for file in failed:
            file.failed = False
        return list(failed)


class Ended:
    """Generations of which nothing more is read. A truncated one waits until it is clear whether a copy holds its rest;
    then what was lost with it is known."""

    def __init__(self, log: Log, counters: Counters, changed: Callable[[File], None]) -> None:
        self._log, self._counters, self._changed = log, counters, changed
        self.files: dict[int, File] = {}  # by file id
        self.copies: dict[int, File] = {}  # the file that has taken over the rest, by the original's file id

    def add(self, file: File, now: float, scan: int, *, truncated: bool) -> None:
        file.ended, file.truncated, file.ended_at, file.ended_scan = True, truncated, now, scan
        self.files[file.file_id] = file

    def account(self, scan: int, *, undecided: bool) -> None:
        """After a scan that saw everything; ``undecided``: there are some that may yet turn out to be copies."""
        for file in self.files.values():
            if not file.truncated or file.accounted or not file.settled:
                continue
            if file.copied or (scan > file.ended_scan and not undecided):
                self.close_account(file, file.loss)

    def account_all(self, before: int) -> None:
        """No copy is going to be found any more of what ended before the scan with this number."""
        for file in self.files.values():
            if file.truncated and not file.accounted and file.ended_scan < before:
                self.close_account(file, file.loss)

    def close_account(self, file: File, reason: str) -> None:
        """Whatever of it was not read is the copy's, or lost."""
        file.accounted = True
        file.release_nuls()
        start, stop, copy = file.cursor.read.offset, file.extent, self.copies.get(file.file_id)
        if copy is not None:
            taken = max(0, min(copy.size, stop) - start)
            file.ledger.skip(TAKEN_OVER, taken)
            start += taken
        self.lose(file, reason, start, stop)
        file.size = file.cursor.read.offset
        self._changed(file)

    def lose(self, file: File, reason: str, start: int, stop: int) -> None:
        """Bytes that are known to have existed and will never be read: an alarm."""
        lost = stop - start
        if lost > 0:
            file.ledger.lose(reason, start, stop)
            self._changed(file)
            self._counters.add("bytes_unread", lost, reason=reason)
            place = {"file": file.shown, "file_id": file.file_id, "start": start, "stop": stop}
            self._log.error("bytes.lost", **place, bytes=lost, reason=reason)

    def resume(self, file: File) -> None:
        """It had ended and is there again: what was counted as lost is to be read."""
        self._reopen_account(file)
        file.ended = file.truncated = file.copied = False
        self.files.pop(file.file_id, None)

    def packed(self, file: File) -> None:
        """There is a packed copy of it: what was counted as lost is read from there."""
        reason, found = file.ledger.find_again(file.cursor.read.offset)
        if found:
            self._counters.add("bytes_found", found, reason=reason)
            file.ledger.skip(TAKEN_OVER, found)
            self._changed(file)

    def emptied(self, file: File, scan: int) -> None:
        """It had ended, and is there again without what it held: a copy may hold that."""
        self._reopen_account(file)
        file.truncated, file.ended_scan = True, scan

    def _reopen_account(self, file: File) -> None:
        reason, found = file.ledger.find_again(file.cursor.read.offset)
        if found:
            self._counters.add("bytes_found", found, reason=reason)
        file.size += found
        file.accounted = False
        self._changed(file)

    def retire(self, now: float) -> list[int]:
        """Forget those that are accounted for, committed and old enough; their file ids."""
        excess = len(self.files) - MOST_ENDED
        retired: list[int] = []
        for file in list(self.files.values()):
            if not file.settled or (file.truncated and not file.accounted):
                continue
            if excess > len(retired) or now - file.ended_at >= RETIRE_AFTER:
                del self.files[file.file_id]
                self.copies.pop(file.file_id, None)
                retired.append(file.file_id)
                self._log.debug("file.retired", file=file.shown, file_id=file.file_id)
        return retired
