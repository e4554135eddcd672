"""Inodes that were not known: what each of them is, and its registration once that is clear."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from tailrace.pipeline.encoding import Encoding
from tailrace.pipeline.source import Register
from tailrace.pipeline.source.tail.cursor import after_last_newline
from tailrace.pipeline.source.tail.descriptors import NotRegularError, kind
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.identity import FIRST, OVERLAP, Changed, Marker, continues, digest, mark
from tailrace.pipeline.source.tail.ledger import COPIED
from tailrace.pipeline.source.tail.packed import kind_of
from tailrace.pipeline.source.tail.position import base_name
from tailrace.pipeline.source.tail.registry import Key, Registry

NAMED = 20  # new files of one scan that the log names one by one; of more, the number
PATIENCE = 2.0  # seconds without growth after which a file that begins like another one is no copy in the making


class NewFiles:
    """``starts_at_end``: they are those of the very first start, and ``read_from`` is "end"."""

    def __init__(
        self,
        registry: Registry,
        register: Register,
        ours: Callable[[bytes], bool],
        written_in: Encoding,
        ignore_older: float | None,
        wall: Callable[[], float],
    ) -> None:
        self._registry, self._register, self._ours, self._encoding = registry, register, ours, written_in
        self._ignore_older, self._wall = ignore_older, wall
        self.starts_at_end = False
        self.skipped: dict[Key, int] = {}  # what is never read, and the last scan that found it
        self.too_old: dict[Key, tuple[int, int]] = {}  # left alone until they are written to: mtime, and that scan
        self._ignored = 0  # of them, not yet said
        self._known: set[int] = set()  # inodes of files with a position, as of the scan with that number
        self._known_at = 0
        self._unmatched: list[File] = []  # not yet compared with what has the same inode number

    def examine(self, path: bytes, st: os.stat_result, now: float) -> int:
        """A path that leads to an unknown inode; returns how many files that adds."""
        key = (st.st_dev, st.st_ino)
        if key in self._registry.living:  # a second name of one that was new a moment ago
            return 0
        if not stat.S_ISREG(st.st_mode):
            self._skip(path, key, kind(st.st_mode))
            return 0
        if self._ours(path) or self._ours(os.path.realpath(path)):
            self.skipped[key] = self._registry.scan
            return 0
        if self._is_too_old(st):
            self._ignored += key not in self.too_old
            self.too_old[key] = st.st_mtime_ns, self._registry.scan
            return 0
        file = File(path, base_name(path), *key, undecided=True, quiet_since=now)
        file.scan = file.home = self._registry.scan
        try:
            st = self._registry.descriptors.open(file)
        except Changed:
            return 0  # something else by now: the next scan will see
        except NotRegularError as error:
            self._skip(path, key, error.kind)
            return 0
        except OSError as error:
            self._registry.trouble(file, error)
            return 0
        self._registry.troubles.readable(file)
        file.see(st)
        self._registry.add(file)
        self._registry.waiting[file] = None
        self._unmatched.append(file)
        return 1

    def _is_too_old(self, st: os.stat_result) -> bool:
        """Unless it is one of which the state knows how far it was read."""
        if self._ignore_older is None or self._wall() - st.st_mtime <= self._ignore_older:
            return False
        registry = self._registry
        if self._known_at != registry.scan:  # once a scan: there may be many of both
            known = (registry.ended.files, registry.unwanted, registry.living)
            self._known = {file.inode for files in known for file in files.values()}
            self._known_at = registry.scan
        return st.st_ino not in self._known

    def say_too_old(self) -> None:
        """After a scan: how many it has found and left alone."""
        if self._ignored:
            notice = "older than source.ignore_older: not read until they are written to, then from their beginning"
            self._registry.log.info("files.ignored", files=self._ignored, notice=notice)
            self._ignored = 0

    def forget_unseen(self) -> None:
        """After a scan: what is not there any more."""
        scan = self._registry.scan
        self.skipped = {key: number for key, number in self.skipped.items() if number == scan}
        self.too_old = {key: seen for key, seen in self.too_old.items() if seen[1] == scan}

    def _skip(self, path: bytes, key: Key, what: str) -> None:
        self.skipped[key] = self._registry.scan
        self._registry.troubles.skipped(path, what)

    def decide(self, now: float, *, whole: bool) -> None:
        """Decide what the new files are, as far as that can be known now. ``whole``: the last scan saw everything."""
        registry = self._registry
        if self._unmatched:
            self._recognise(now)
        candidates = [file for file in registry.waiting if file.size or self.starts_at_end]
        if candidates:
            registered = (file for file in registry.living.values() if file.file_id)
            beginnings = Beginnings(file for file in registered if file.scan == registry.scan or not whole)
            for file in candidates:
                self._opened(file, partial(self._decide, file, beginnings, now))

    def _opened(self, file: File, look: Callable[[], object]) -> bool:
        """Open it for a look at it. False: that failed, and is tried again later."""
        try:
            self._registry.descriptors.open(file)
            look()
        except Changed:
            self._registry.try_later(file)  # its name leads to something else by now: the next scan will see
        except OSError as error:
            self._registry.trouble(file, error)
        else:
            return True
        return False

    def _recognise(self, now: float) -> None:
        """The same inode on another device (a remount), under a path that is asked for now, or of a file that had
        ended: is it that one?"""
        registry = self._registry
        ended = {file.key: file for file in registry.ended.files.values() if not file.truncated}
        absent = {file.inode: file for file in registry.living.values() if file.file_id and file.scan != registry.scan}
        unwanted = {file.inode: file for file in registry.unwanted.values()}
        left: list[File] = []
        for file in self._unmatched:
            same = ended.get(file.key) or absent.get(file.inode) or unwanted.get(file.inode)
            if same is None or file not in registry.waiting:
                continue
            if not self._opened(file, partial(self._compare, file, same, now)):
                left.append(file)
        self._unmatched = left

    def _compare(self, file: File, same: File, now: float) -> None:
        if same.cursor.head.length and continues(file.fd, file.size, same.cursor.head, same.cursor.read):
            self._resume(file, same, now)
        elif same.ended:
            self._registry.ended.emptied(same, self._registry.scan)

    def _decide(self, file: File, beginnings: Beginnings, now: float) -> None:
        self._registry.refresh(file, os.fstat(file.fd), now)  # a copy in the making is longer by now
        if file not in self._registry.waiting:
            return
        head = file.read_head()
        copy = copy_of(file, self._registry.ended.files.values())
        if copy is None and file.gone_since is None and now - file.quiet_since < PATIENCE:
            for old in beginnings.like(head):
                if old.ended or not self._may_be_copied(file, head, old, now):
                    continue
                if not old.ended:
                    return  # wait
                copy = copy or copy_of(file, self._registry.ended.files.values())  # truncated just now
        if copy is not None:
            if not copy.of.settled:
                return  # wait: its own position must be durable before the copy goes on from there
            copy.of.copied = True
            self._registry.ended.copies[copy.of.file_id] = file
            file.name, file.ledger.original = copy.of.name, copy.of.file_id
            file.start_at(copy.start, COPIED)
            self._registry.log.info("file.copied", of=copy.of.file_id, **file.place)
        elif self.starts_at_end and kind_of(head) is None:
            file.start_at(after_last_newline(file.fd, file.size, self._encoding))
        del self._registry.waiting[file]
        file.undecided = False
        self._registry.unregistered[file] = None

    def _may_be_copied(self, file: File, head: bytes, old: File, now: float) -> bool:
        """Whether the new file may be a copy of ``old``: in the making, or, if that has ended now, finished."""
        self._registry.refresh(old, self._registry.descriptors.open(old), now)
        if not old.ended:
            try:
                old.verify()
            except Changed:
                self._registry.replaced(old, old.path, now)
        self._registry.descriptors.open(file)  # (it may have been the one to make room)
        return old.ended or (begins_like(head, old) and may_become(file, old))

    def _resume(self, file: File, old: File, now: float) -> None:
        """``old`` is there again, and ``file`` is the same."""
        self._registry.remove(file)
        if self._registry.unwanted.get(old.key) is old:
            del self._registry.unwanted[old.key]
            self._registry.by_id[old.file_id] = old
        elif not old.ended:
            self._registry.remove(old)
            self._registry.descriptors.close(old)
        del self._registry.waiting[file]
        self._registry.ended.resume(old)
        self._registry.descriptors.hand_over(file, old)
        old.device, old.gone_since, old.verified = file.device, None, True
        old.scan = old.home = self._registry.scan
        was = old.shown
        old.moved(file.path)
        self._registry.add(old)
        self._registry.dirty.add(old.file_id)
        self._registry.log.info("file.resumed", **old.place, was=was)
        self._registry.notice(old, old.path, os.fstat(old.fd), now)

    def register_new(self) -> None:
        """Give the new generations their file ids, all in one transaction."""
        if not self._registry.unregistered:
            return
        files: list[File] = []
        for file in self._registry.unregistered:
            if file.failed:
                continue
            if file.fd < 0 and file.cursor.head.length:
                files.append(file)  # its head was read when it was found
                continue
            if self._opened(file, file.read_head):
                files.append(file)
        if not files:
            return
        files.sort(key=lambda file: file.path)
        ids = self._register([file.row().to_json() for file in files])  # where that fails, they stay for the next time
        many = len(files) > NAMED
        if many:
            self._registry.log.info("files.found", files=len(files), bytes=sum(file.size for file in files))
        say = self._registry.log.debug if many else self._registry.log.info
        for file, file_id in zip(files, ids, strict=True):
            del self._registry.unregistered[file]
            file.file_id = file_id
            self._registry.by_id[file_id] = file
            self._registry.counters.add("files_found")
            say("file.found", **file.place)
            self._registry.offer(file)


class Copy(NamedTuple):
    """The new file holds what ``of`` held; from ``start`` on it has not been read."""

    of: File
    start: Marker


def copy_of(file: File, ended: Iterable[File]) -> Copy | None:
    """The generation, truncated a moment ago, whose bytes were copied into this file before.

    If nothing of it was read, its beginning decides; then only its name and its ledger depend on it.
    """
    for old in ended:
        if not old.truncated or old.copied or old.accounted or not old.cursor.head.length:
            continue
        marker = old.cursor.read
        if file.size < marker.offset:  # the copy was made before the last lines were written and read
            marker = next((end for end in reversed(old.cursor.history) if end.offset <= file.size), marker)
        if continues(file.fd, file.size, old.cursor.head, marker):
            return Copy(old, marker if marker is old.cursor.read else _end_of(file))
    return None


def _end_of(file: File) -> Marker:
    first = max(0, file.size - OVERLAP)
    return mark(file.size, os.pread(file.fd, file.size - first, first))


class Beginnings:
    """The known files by their first bytes, to find without reading them all those a new file may be a copy of."""

    def __init__(self, registered: Iterable[File]) -> None:
        self._by_first: dict[bytes, list[File]] = {}
        self._short: list[File] = []
        for file in registered:
            if len(file.cursor.head.first) == FIRST:
                self._by_first.setdefault(file.cursor.head.first, []).append(file)
            elif file.cursor.head.first:
                self._short.append(file)

    def like(self, head: bytes) -> list[File]:
        """Those that begin as ``head`` does, as far as their first bytes tell."""
        found = [
            file
            for file in self._short
            if head.startswith(file.cursor.head.first) or file.cursor.head.first.startswith(head)
        ]
        if len(head) >= FIRST:
            return found + self._by_first.get(head[:FIRST], [])
        for first, files in self._by_first.items():
            if first.startswith(head):
                found += files
        return found


def begins_like(head: bytes, old: File) -> bool:
    """Whether a file with this ``head`` begins like ``old``, which is open."""
    if len(head) >= old.cursor.head.length:
        return digest(head[: old.cursor.head.length]) == old.cursor.head.hash
    return os.pread(old.fd, len(head), 0) == head


def may_become(file: File, old: File) -> bool:
    """Whether ``file`` is, so far, a beginning of ``old``; both are open. Then it may be a copy in the making."""
    first = max(0, file.size - OVERLAP)
    length = file.size - first
    return os.pread(file.fd, length, first) == os.pread(old.fd, length, first)
