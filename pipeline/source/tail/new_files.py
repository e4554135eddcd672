"""Inodes that were not known: what each of them is, and its registration once that is clear."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial

from tailrace.pipeline.source import Register
from tailrace.pipeline.source.tail.copies import Beginnings, begins_like, copy_of, may_become
from tailrace.pipeline.source.tail.descriptors import NotRegularError, kind
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import Changed, continues
from tailrace.pipeline.source.tail.ledger import COPIED
from tailrace.pipeline.source.tail.packed import kind_of
from tailrace.pipeline.source.tail.registry import Key, Known, base_name

NAMED = 20  # new files of one scan that the log names one by one; of more it tells the number
PATIENCE = 2.0  # seconds without growth after which a file that begins like another one is no copy in the making


class Newcomers:
    """``starts_at_end``: they are those of the very first start, and ``read_from`` is "end"."""

    def __init__(self, known: Known, register: Register, ours: Callable[[bytes], bool]) -> None:
        self._known, self._register, self._ours = known, register, ours
        self.starts_at_end = False
        self.skipped: dict[Key, int] = {}  # what is never read, and the last scan that found it
        self._met: list[File] = []  # not yet compared with what has the same inode number

    def meet(self, path: bytes, st: os.stat_result, now: float) -> int:
        """A path that leads to an unknown inode; how many files that makes."""
        key = (st.st_dev, st.st_ino)
        if key in self._known.living:  # a second name of one that was new a moment ago
            return 0
        if not stat.S_ISREG(st.st_mode):
            self._skip(path, key, kind(st.st_mode))
            return 0
        if self._ours(path) or self._ours(os.path.realpath(path)):
            self.skipped[key] = self._known.scan
            return 0
        file = File(path, base_name(path), *key, undecided=True, quiet_since=now)
        file.scan = file.home = self._known.scan
        try:
            st = self._known.descriptors.open(file)
        except Changed:
            return 0  # something else by now: the next scan will see
        except NotRegularError as error:
            self._skip(path, key, error.kind)
            return 0
        except OSError as error:
            self._known.trouble(file, error)
            return 0
        self._known.complaints.readable(file)
        file.size, file.mtime_ns = st.st_size, st.st_mtime_ns
        self._known.add(file)
        self._known.waiting[file] = None
        self._met.append(file)
        return 1

    def _skip(self, path: bytes, key: Key, what: str) -> None:
        self.skipped[key] = self._known.scan
        self._known.complaints.skipped(path, what)

    def decide(self, now: float, *, whole: bool) -> None:
        """Settle what the newcomers are, as far as it can be known now. ``whole``: the last scan saw everything."""
        known = self._known
        if self._met:
            self._recognise(now)
        newcomers = [file for file in known.waiting if file.size or self.starts_at_end]
        if newcomers:
            registered = (file for file in known.living.values() if file.file_id)
            beginnings = Beginnings(file for file in registered if file.scan == known.scan or not whole)
            for file in newcomers:
                self._opened(file, partial(self._decide, file, beginnings, now))

    def _opened(self, file: File, look: Callable[[], object]) -> bool:
        """Open it for a look at it. False: that failed, and is tried again later."""
        try:
            self._known.descriptors.open(file)
            look()
        except Changed:
            self._known.try_later(file)  # its name leads to something else by now: the next scan will see
        except OSError as error:
            self._known.trouble(file, error)
        else:
            return True
        return False

    def _recognise(self, now: float) -> None:
        """The same inode on another device (a remount), or of a file that had ended: is it that one?"""
        known = self._known
        ended = {file.key: file for file in known.ended.files.values() if not file.truncated}
        absent = {file.inode: file for file in known.living.values() if file.file_id and file.scan != known.scan}
        left: list[File] = []
        for file in self._met:
            same = ended.get(file.key) or absent.get(file.inode)
            if same is None or file not in known.waiting:
                continue
            if not self._opened(file, partial(self._compare, file, same, now)):
                left.append(file)
        self._met = left

    def _compare(self, file: File, same: File, now: float) -> None:
        if same.head.length and continues(file.fd, file.size, same.head, same.read):
            self._go_on(file, same, now)
        elif same.ended:
            same.truncated = True  # before this start, it seems: there may be a copy

    def _decide(self, file: File, beginnings: Beginnings, now: float) -> None:
        self._known.refresh(file, os.fstat(file.fd), now)  # a copy in the making is longer by now
        if file not in self._known.waiting:
            return
        head = file.see_head()
        copy = copy_of(file, self._known.ended.files.values())
        if copy is None and file.gone_since is None and now - file.quiet_since < PATIENCE:
            for old in beginnings.like(head):
                if old.ended or not self._may_be_copied(file, head, old, now):
                    continue
                if not old.ended:
                    return  # wait
                copy = copy or copy_of(file, self._known.ended.files.values())  # truncated just now
        if copy is not None:
            if not copy.of.settled:
                return  # wait: its own position must be durable before the copy goes on from there
            copy.of.copied = True
            self._known.ended.copies[copy.of.file_id] = file
            file.name, file.ledger.original = copy.of.name, copy.of.file_id
            file.start_at(copy.start, COPIED)
            self._known.log.info("file.copied", of=copy.of.file_id, **file.place)
        elif self.starts_at_end and kind_of(head) is None:
            file.start_at(file.after_last_newline())
        del self._known.waiting[file]
        file.undecided = False
        self._known.unregistered[file] = None

    def _may_be_copied(self, file: File, head: bytes, old: File, now: float) -> bool:
        """Whether the newcomer may be a copy of ``old``: in the making, or, if that has ended now, finished."""
        self._known.refresh(old, self._known.descriptors.open(old), now)
        if not old.ended:
            try:
                old.verify()
            except Changed:
                self._known.replaced(old, old.path, now)
        self._known.descriptors.open(file)  # (it may have been the one to make room)
        return old.ended or (begins_like(head, old) and may_become(file, old))

    def _go_on(self, file: File, old: File, now: float) -> None:
        """``old`` is back; ``file`` was but another look at it."""
        self._known.remove(file)
        if not old.ended:
            self._known.remove(old)
            self._known.descriptors.close(old)
        del self._known.waiting[file]
        self._known.ended.come_back(old)
        self._known.descriptors.hand_over(file, old)
        old.device, old.gone_since, old.verified = file.device, None, True
        old.scan = old.home = self._known.scan
        old.moved(file.path)
        self._known.add(old)
        self._known.dirty.add(old.file_id)
        self._known.log.info("file.resumed", **old.place)
        self._known.notice(old, old.path, os.fstat(old.fd), now)

    def enroll(self) -> None:
        """Give the new generations their file ids, all in one transaction."""
        if not self._known.unregistered:
            return
        files: list[File] = []
        for file in self._known.unregistered:
            if file.failed:
                continue
            if file.fd < 0 and file.head.length:
                files.append(file)  # it was seen when it was met
                continue
            if self._opened(file, file.see_head):
                files.append(file)
        if not files:
            return
        files.sort(key=lambda file: file.path)
        ids = self._register([file.row() for file in files])  # where that fails, they stay for the next time
        many = len(files) > NAMED
        if many:
            self._known.log.info("files.found", files=len(files), bytes=sum(file.size for file in files))
        say = self._known.log.debug if many else self._known.log.info
        for file, file_id in zip(files, ids, strict=True):
            del self._known.unregistered[file]
            file.file_id = file_id
            self._known.by_id[file_id] = file
            self._known.counters.add("files_found")
            say("file.found", **file.place)
            self._known.offer(file)
