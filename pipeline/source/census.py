"""All files there are: found by scans, known again by their content, ended when they are gone or truncated.

The rules are those of DESIGN.md, "Which file is this?". Nothing is read here but what tells files apart.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from pipeline.batch import Position
from pipeline.config.model import TailSettings
from pipeline.source import Register
from pipeline.source.complaints import Complaints
from pipeline.source.descriptors import Descriptors, NotRegularError, kind
from pipeline.source.ended import Ended, Log
from pipeline.source.finder import Finder, Scan
from pipeline.source.identity import Changed, continues
from pipeline.source.newcomers import PATIENCE, Beginnings, begins_like, copy_of, may_become
from pipeline.source.reader import File
from pipeline.telemetry.counters import Counters
from pipeline.telemetry.escape import escape

Key = tuple[int, int]
"""(device, inode)"""


class Census:
    """Called by ``Tail`` only. ``offer`` is told of every file that may have something to be read."""

    def __init__(
        self,
        settings: TailSettings,
        register: Register,
        ours: Callable[[bytes], bool],
        log: Log,
        counters: Counters,
        descriptors: Descriptors,
        offer: Callable[[File], None],
        until_eof: bool,
    ) -> None:
        self._settings, self._register, self._ours = settings, register, ours
        self._log, self._counters, self._offer = log, counters, offer
        self._until_eof = until_eof
        self._finder = Finder(settings.paths, settings.exclude)
        self._descriptors = descriptors
        self.living: dict[Key, File] = {}
        self._gone = Ended(log, counters)
        self._complaints = Complaints(log)
        self.by_id: dict[int, File] = {}  # living and ended
        self.by_path: dict[bytes, File] = {}  # living
        self.dirty: set[int] = set()  # file ids whose row changed since the last cut
        self.retired: list[int] = []  # file ids whose rows may go
        self._waiting: dict[File, None] = {}  # newcomers that are empty, or may be a copy in the making
        self._unregistered: dict[File, None] = {}
        self._failed: set[File] = set()  # tried again after the next scan
        self._skipped: dict[Key, int] = {}  # what is never read, and the last scan that found it
        self._number = 0  # of the scan
        self._first_start = False
        self.found = 0  # by the last scan

    @property
    def unsure(self) -> bool:
        """Whether there is content of which it is not clear yet what is to be read."""
        return bool(self._unregistered) or any(file.size for file in self._waiting)

    # Start.

    def open(self, rows: Sequence[Position], now: float) -> None:
        """Know the files of the state again, and find the others."""
        self._first_start = not rows
        earlier: dict[Key, list[File]] = {}
        for row in sorted(rows, key=lambda row: row.file_id):
            file = File.resumed(row, now)
            file.ended_at = now
            self.by_id[file.file_id] = file
            older = self.living.pop(file.key, None)
            if older is not None:
                self._end(older, now, truncated=True)
            for ended in earlier.get(file.key, ()):
                ended.truncated = True
            earlier.setdefault(file.key, []).append(file)
            if row.ended:
                self._gone.add(file, now, 0, truncated=False)
                file.counted = True
            else:
                self.living[file.key] = file
                self.by_path[file.path] = file
        if self.scan(now) and not any(file.size for file in self._waiting):
            self._gone.account_all()  # a copy would have been found by the same scan
        if self._until_eof:
            for file in self.living.values():
                file.limit = file.size
        if self._first_start and self._settings.read_from == "end" and not self.by_id:
            # So that a file that appears before the next start is read from its beginning: this was the first start.
            self._register([Position(0, "", b"", 0, 0, 0, 0, "", 0, "", 0, ended=True)])
        self._first_start = False

    # The scan.

    def scan(self, now: float) -> bool:
        """Look at every name and what it leads to. False: some of it could not be seen."""
        self._number += 1
        scan = self._finder.scan()
        self.found = len(scan.found)
        self._complaints.directories(scan.failed)
        for file in self._failed:
            file.failed = False
        fresh, changed, elsewhere, seen = self._sort(scan)
        for file, path, st in changed:
            self.notice(file, path, st, now)
        for file, path in elsewhere:
            if file.home != self._number:
                file.home = self._number
                self._rename(file, path)
        for path, st in sorted(fresh):
            seen += self._meet(path, st, now)
        self.decide(now, whole=scan.whole)
        if seen < len(self.living):
            for file in list(self.living.values()):
                if file.scan != self._number and (self._is_gone(file, scan)):
                    self._miss(file, now)
        self.enroll()
        for file in self._failed:
            self._offer(file)
        self._failed.clear()
        if scan.whole:
            self._gone.account(self._number, newcomers=any(file.size for file in self._waiting))
            for file_id in self._gone.retire(now):
                del self.by_id[file_id]
                self.dirty.discard(file_id)
                self.retired.append(file_id)
        for key in [key for key, number in self._skipped.items() if number != self._number]:
            del self._skipped[key]
        return scan.whole and not scan.failed

    def _sort(
        self, scan: Scan
    ) -> tuple[
        list[tuple[bytes, os.stat_result]],
        list[tuple[File, bytes, os.stat_result]],
        list[tuple[File, bytes]],
        int,
    ]:
        """New paths, known files that changed, known files under another path, and how many known files were seen. The
        one loop over all files: a few microseconds each."""
        fresh: list[tuple[bytes, os.stat_result]] = []
        changed: list[tuple[File, bytes, os.stat_result]] = []
        elsewhere: list[tuple[File, bytes]] = []
        number, living, skipped, seen = self._number, self.living, self._skipped, 0
        for path, st in scan.found.items():
            key = (st.st_dev, st.st_ino)
            file = living.get(key)
            if file is None:
                if key in skipped:
                    skipped[key] = number
                else:
                    fresh.append((path, st))
                continue
            if file.scan != number:
                file.scan = number
                seen += 1
                if file.gone_since is not None:
                    file.gone_since, file.finishing = None, False
                    self.by_path[path] = file
                if st.st_size != file.size or st.st_mtime_ns != file.mtime_ns:
                    changed.append((file, path, st))
            if path == file.path:
                file.home = number
            else:
                elsewhere.append((file, path))
        return fresh, changed, elsewhere, seen

    def _is_gone(self, file: File, scan: Scan) -> bool:
        """Whether it is certain that no name leads to it: the scan saw everything, or the file itself says so."""
        if scan.whole and scan.covers(file.path):
            return True
        return file.fd >= 0 and os.fstat(file.fd).st_nlink == 0

    def look(self, path: bytes, now: float) -> bool:
        """A hint: something happened there. True: a scan should follow soon."""
        file = self.by_path.get(path)
        try:
            st = os.stat(path)
        except OSError:
            return file is not None  # gone, or not to be reached: the scan finds out
        if file is not None and file.key == (st.st_dev, st.st_ino):
            self.notice(file, path, st, now)
            if file in self._waiting and file.size:
                self.decide(now, whole=True)
            self.enroll()
            return False
        if file is not None:
            return True
        known = (st.st_dev, st.st_ino) in self._skipped
        return stat.S_ISDIR(st.st_mode) or (not known and self._finder.matches(path))

    def notice(self, file: File, path: bytes, st: os.stat_result, now: float) -> None:
        """Its size or its time changed."""
        reused = file.fd < 0 and path != file.path  # if it holds something else, it is not our file at another place
        try:
            if file.fd < 0 and (not file.verified or st.st_size <= file.size):
                st = self._descriptors.open(file, path)
            lost = file.notice(st, now)
        except Changed:
            if file.fd >= 0:
                self.replaced(file, path, now, reused=reused)
            return  # (else the path leads elsewhere by now: the next scan will see)
        except OSError as error:
            self.trouble(file, error)
            return
        if lost:
            self._gone.lose(file, "truncated", file.size, file.size + lost)
        if not file.undecided and not file.file_id:
            self._await_id(file)
        self._offer(file)

    def replaced(self, old: File, path: bytes, now: float, *, reused: bool = False) -> None:
        """The open file holds something else than was read: a new generation, from the beginning. ``reused``: the inode
        was given to another file while ours was not open."""
        new = File(path, _name(path) if reused else old.name, old.device, old.inode)
        self._descriptors.hand_over(old, new)
        st = os.fstat(new.fd)
        new.size, new.mtime_ns, new.quiet_since = st.st_size, st.st_mtime_ns, now
        new.scan, new.home, new.gone_since = old.scan, old.home, old.gone_since
        new.limit = 0 if old.limit is not None else None
        if self.by_path.get(old.path) is old:
            del self.by_path[old.path]
        self.living[new.key] = self.by_path[path] = new
        event = "file.replaced" if reused else "file.truncated"
        was = {"file_id": old.file_id, "offset": old.read.offset, "size": old.size}
        self._log.info(event, file=new.shown, **was, size_now=st.st_size)
        self._counters.add("files_replaced" if reused else "files_truncated")
        self._waiting.pop(old, None)
        self._unregistered.pop(old, None)
        if old.file_id:
            self._end(old, now, truncated=not reused)
            if reused:
                self._gone.close_account(old, "deleted")
        elif old.size:
            self._gone.lose(old, "truncated", 0, old.size)
        self._await_id(new)

    # Newcomers.

    def _meet(self, path: bytes, st: os.stat_result, now: float) -> int:
        """A path that leads to an unknown inode; how many files that makes."""
        key = (st.st_dev, st.st_ino)
        known = self.living.get(key)
        if known is not None:  # a second name of one that was new a moment ago
            return 0
        if self._until_eof and self._number > 1:
            return 0
        if not stat.S_ISREG(st.st_mode):
            self._skip(path, key, kind(st.st_mode))
            return 0
        if self._ours(path) or self._ours(os.path.realpath(path)):
            self._skipped[key] = self._number
            return 0
        file = File(path, _name(path), *key, undecided=True, scan=self._number, home=self._number, quiet_since=now)
        try:
            st = self._descriptors.open(file)
        except Changed:
            return 0  # something else by now: the next scan will see
        except NotRegularError as error:
            self._skip(path, key, error.kind)
            return 0
        except OSError as error:
            self.trouble(file, error)
            return 0
        self._complaints.readable(file)
        file.size, file.mtime_ns = st.st_size, st.st_mtime_ns
        self.living[key] = self.by_path[path] = file
        self._waiting[file] = None
        return 1

    def _skip(self, path: bytes, key: Key, what: str) -> None:
        self._skipped[key] = self._number
        self._complaints.skipped(path, what)

    def decide(self, now: float, *, whole: bool) -> None:
        """Settle what the newcomers are, as far as it can be known now."""
        newcomers = [file for file in self._waiting if file.size or self._starts_at_end]
        if not newcomers:
            return
        named: list[File] = []
        absent: dict[int, File] = {}
        for known in self.living.values():
            if known.file_id and known.scan == self._number:
                named.append(known)
            elif known.file_id:
                absent[known.inode] = known
                if not whole:
                    named.append(known)
        back = {known.key: known for known in self._gone.files.values() if not known.truncated}
        beginnings = Beginnings(named)
        for file in newcomers:
            try:
                self._descriptors.open(file)
                same = back.get(file.key) or absent.get(file.inode)
                if same is None or not self._known_again(file, same, now):
                    self._decide(file, beginnings, now)
            except Changed:
                continue  # its name leads to something else by now: the next scan will see
            except OSError as error:
                self.trouble(file, error)

    @property
    def _starts_at_end(self) -> bool:
        return self._first_start and self._settings.read_from == "end"

    def _decide(self, file: File, beginnings: Beginnings, now: float) -> None:
        head = file.see_head()
        copy = copy_of(file, self._gone.files.values())
        if copy is None and file.gone_since is None and now - file.quiet_since < PATIENCE:
            for known in beginnings.like(head):
                if known.ended or not self._may_be_copied(file, head, known, now):
                    continue
                if not known.ended:
                    return  # wait
                copy = copy or copy_of(file, self._gone.files.values())  # truncated just now
        if copy is not None:
            if not copy.of.settled:
                return  # wait: its own position must be durable before the copy goes on from there
            copy.of.copied = True
            file.name = copy.of.name
            file.start_at(copy.start)
            self._log.info("file.copied", file=file.shown, of=copy.of.file_id, offset=copy.start.offset, size=file.size)
        elif self._starts_at_end:
            file.start_at(file.after_last_newline())
        del self._waiting[file]
        file.undecided = False
        self._unregistered[file] = None

    def _may_be_copied(self, file: File, head: bytes, known: File, now: float) -> bool:
        """Whether the newcomer may be a copy of ``known``: in the making, or, if that has ended now, finished."""
        st = self._descriptors.open(known)
        if st.st_size != known.size or st.st_mtime_ns != known.mtime_ns:
            self.notice(known, known.path, st, now)
        if not known.ended:
            try:
                known.verify()
            except Changed:
                self.replaced(known, known.path, now)
        return known.ended or (begins_like(head, known) and may_become(file, known))

    def _known_again(self, file: File, known: File, now: float) -> bool:
        """The same inode on another device (a remount), or a file that was finished and has come back: if it holds what
        was read, it goes on."""
        if not known.head.length or not continues(file.fd, file.size, known.head, known.read):
            return False
        if not known.ended:
            del self.living[known.key]
            self._descriptors.close(known)
        for other in (file, known):
            if self.by_path.get(other.path) is other:
                del self.by_path[other.path]
        del self._waiting[file]
        self._gone.files.pop(known.file_id, None)
        self._descriptors.hand_over(file, known)
        known.device, known.ended, known.gone_since, known.verified = file.device, False, None, True
        known.scan = known.home = self._number
        known.moved(file.path)
        self.living[known.key] = self.by_path[known.path] = known
        self.dirty.add(known.file_id)
        self._log.info("file.resumed", file=known.shown, file_id=known.file_id, offset=known.read.offset)
        self.notice(known, known.path, os.fstat(known.fd), now)
        return True

    def _await_id(self, file: File) -> None:
        if file.reach and not file.file_id:
            self._unregistered[file] = None

    def enroll(self) -> None:
        """Give the new generations their file ids, all in one transaction."""
        if not self._unregistered:
            return
        files = [file for file in self._unregistered if self._has_head(file)]
        for file in files:
            del self._unregistered[file]
        for file, file_id in zip(files, self._register([file.row() for file in files]), strict=True):
            file.file_id = file_id
            self.by_id[file_id] = file
            self._counters.add("files_found")
            self._log.info("file.found", file=file.shown, file_id=file_id, offset=file.read.offset, size=file.size)
            self._offer(file)

    def _has_head(self, file: File) -> bool:
        """Something to know it by, once it is registered."""
        try:
            if file.fd >= 0 or not file.head.length:
                self._descriptors.open(file)
                file.see_head()
        except Changed:
            return False  # its name leads to something else by now: the next scan will see
        except OSError as error:
            self.trouble(file, error)
            return False
        return True

    # Names and ends.

    def _end(self, file: File, now: float, *, truncated: bool) -> None:
        self._gone.add(file, now, self._number, truncated=truncated)
        self.dirty.add(file.file_id)

    def _rename(self, file: File, path: bytes) -> None:
        if self.living.get(file.key) is not file:
            return  # it was found to hold something else
        if self.by_path.get(file.path) is file:
            del self.by_path[file.path]
        self._log.info("file.rotated", file=escape(os.fsdecode(path)), was=file.shown, file_id=file.file_id)
        self._counters.add("files_rotated")
        file.moved(path)
        self.by_path[path] = file
        if file.file_id:
            self.dirty.add(file.file_id)

    def _miss(self, file: File, now: float) -> None:
        """No name leads to the file. It is read on through its descriptor and finished when it has been quiet."""
        first = file.gone_since is None
        if first:
            file.gone_since = now
            if self.by_path.get(file.path) is file and file.verified:
                del self.by_path[file.path]
            self._log.info("file.gone", file=file.shown, file_id=file.file_id, offset=file.read.offset, size=file.size)
            if not file.verified:
                self._look_beside(file)
        if file.fd >= 0:
            st = os.fstat(file.fd)
            if st.st_size != file.size or st.st_mtime_ns != file.mtime_ns:
                self.notice(file, file.path, st, now)
                if file.ended:
                    return
        if self._until_eof or (first and file.fd < 0):
            return
        if file.fd < 0:
            if file.settled:
                self._finish(file, now)
        elif not file.has_data and now - max(file.gone_since or now, file.quiet_since) >= self._settings.close_after:
            if file.size > file.read.offset and file.file_id:
                file.finishing = True
                self._offer(file)
            elif file.settled:
                self._finish(file, now)

    def _look_beside(self, file: File) -> None:
        """At start: it may have been renamed, out of the pattern, while nobody looked."""
        path = self._finder.name_of(os.path.dirname(file.path), file.inode)
        if path is None:
            return
        try:
            self._descriptors.open(file, path)
            file.verify()
        except (Changed, OSError):
            self._descriptors.close(file)
            return
        self._rename(file, path)

    def _finish(self, file: File, now: float) -> None:
        """Nothing more is read from it."""
        del self.living[file.key]
        if self.by_path.get(file.path) is file:
            del self.by_path[file.path]
        self._descriptors.close(file)
        self._waiting.pop(file, None)
        self._unregistered.pop(file, None)
        if not file.file_id:
            self._gone.lose(file, "deleted", 0, file.size)  # (mostly it was empty all the time)
            return
        self._end(file, now, truncated=False)
        self._gone.close_account(file, "deleted")
        self._counters.add("files_finished")
        self._log.info("file.finished", file=file.shown, file_id=file.file_id, offset=file.read.offset)

    def trouble(self, file: File, error: OSError) -> None:
        """It could not be opened or read."""
        self._complaints.unreadable(file, error)
        self.try_later(file)

    def try_later(self, file: File) -> None:
        """Nothing is read from it before the next scan, which may find it under another name."""
        file.failed = True
        self._failed.add(file)

    def rewind(self) -> None:
        """Every file back to what is committed."""
        for file in self.by_id.values():
            if file.pending or file.read.offset != file.committed.offset:
                was = file.read.offset
                file.rewind()
                if file.accounted:
                    self._gone.lose(file, "truncated", file.read.offset, was)
        for file in self.living.values():
            self._offer(file)

    def close(self) -> None:
        """Account for what cannot be read at the next start."""
        self._gone.account_all()
        for file in self.living.values():
            if file.fd >= 0 and not self._until_eof and os.fstat(file.fd).st_nlink == 0:
                self._gone.lose(file, "closed", file.committed.offset, file.size)
        self._descriptors.close_all()


def _name(path: bytes) -> str:
    return escape(os.fsdecode(os.path.basename(path)))
