"""All files there are: found by scans and hints, and finished when no name leads to them any more.

The rules are those of DESIGN.md, "Which file is this?". Nothing is read here but what tells files apart.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tailrace.pipeline.batch import Position
from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source import Register
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.finder import Finder, Scan
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.new_files import Newcomers
from tailrace.pipeline.source.tail.registry import Key, Known


class Sorted(NamedTuple):
    """What a scan found, by what is to be done."""

    fresh: list[tuple[bytes, os.stat_result]]  # unknown inodes
    changed: list[tuple[File, bytes, os.stat_result]]
    elsewhere: list[tuple[File, bytes]]  # known files, under another path
    seen: int  # known files found


class Census:
    """Called by ``Tail`` only."""

    def __init__(
        self,
        settings: TailSettings,
        register: Register,
        ours: Callable[[bytes], bool],
        known: Known,
        until_eof: bool,
        last_line: bool,
    ) -> None:
        self._settings, self._register, self._until_eof, self._last_line = settings, register, until_eof, last_line
        self._finder = Finder(settings.paths, settings.exclude)
        self._known = known
        self._newcomers = Newcomers(known, register, ours)
        self.retired: list[int] = []  # file ids whose rows may go
        self.found = 0  # by the last scan
        self._opened = False  # what the start looks for is found

    @property
    def unsure(self) -> bool:
        """Whether there is content of which it is not clear yet what is to be read."""
        known = self._known
        return any(file.size and not file.failed for files in (known.unregistered, known.waiting) for file in files)

    def decide(self, now: float) -> None:
        """What newcomers are, as far as that can be known between two scans."""
        self._newcomers.decide(now, whole=True)

    def enroll(self) -> None:
        """Register what is new and became clear since."""
        self._newcomers.enroll()

    def open(self, rows: Sequence[Position], now: float) -> None:
        """Know the files of the state again, and find the others."""
        first = not rows and self._settings.read_from == "end"
        self._newcomers.starts_at_end = first
        earlier: dict[Key, list[File]] = {}
        for row in sorted(rows, key=lambda row: row.file_id):
            if not row.path:
                continue  # see below
            file = File.resumed(row, now)
            file.ended_at = now
            self._known.by_id[file.file_id] = file
            older = self._known.living.get(file.key)
            if older is not None:
                self._known.remove(older)
                self._known.end(older, now, truncated=True)
            for ended in earlier.get(file.key, ()):
                ended.truncated = True
            earlier.setdefault(file.key, []).append(file)
            if row.ended:
                rest = file.size > file.read.offset  # not accounted for: a copy may hold it
                self._known.ended.add(file, now, 0, truncated=rest)
            else:
                self._known.add(file)
            if file.ledger.original:
                self._known.ended.copies[file.ledger.original] = file
        whole = self.scan(now)
        if any(file.ended_scan == self._known.scan for file in self._known.ended.files.values()):
            whole = self.scan(now)  # there may be copies, made after the first one had looked where they are
        if whole and not any(file.size for file in self._known.waiting):
            self._known.ended.account_all(self._known.scan)  # a copy would have been found
        self._opened = True
        if self._until_eof:
            for file in self._known.living.values():
                file.limit, file.last_line = file.size, self._last_line
        if first:
            # A row that stays, so that what appears later is read from its beginning: this was the first start.
            self._register([Position(0, "", b"", 0, 0, 0, 0, "", 0, "", 0, ended=True)])
        self._newcomers.starts_at_end = False

    def scan(self, now: float) -> bool:
        """Look at every name and what it leads to. False: some of it could not be seen."""
        self._known.scan += 1
        failed = self._known.try_again()
        scan = self._finder.scan()
        self.found = len(scan.found)
        self._known.complaints.directories(scan.failed)
        fresh, changed, elsewhere, seen = self._sort(scan)
        for file, path, st in changed:
            self._known.notice(file, path, st, now)
        for file, path in elsewhere:
            if file.home != self._known.scan:
                file.home = self._known.scan
                self._known.rename(file, path)
        for path, st in sorted(fresh) if not (self._until_eof and self._opened) else ():
            seen += self._newcomers.meet(path, st, now)
        self._newcomers.decide(now, whole=scan.whole)
        if seen < len(self._known.living):
            for file in list(self._known.living.values()):
                if file.scan != self._known.scan and (self._is_gone(file, scan)):
                    self._miss(file, now)
        self.enroll()
        for file in failed:
            self._known.offer(file)
        if scan.whole:
            self._known.ended.account(self._known.scan, newcomers=any(file.size for file in self._known.waiting))
            for file_id in self._known.ended.retire(now):
                del self._known.by_id[file_id]
                self._known.dirty.discard(file_id)
                self.retired.append(file_id)
        for key in [key for key, number in self._newcomers.skipped.items() if number != self._known.scan]:
            del self._newcomers.skipped[key]
        return scan.whole and not scan.failed

    def _sort(self, scan: Scan) -> Sorted:
        """The one loop over all files: a few microseconds each."""
        fresh: list[tuple[bytes, os.stat_result]] = []
        changed: list[tuple[File, bytes, os.stat_result]] = []
        elsewhere: list[tuple[File, bytes]] = []
        number, living, skipped, seen = self._known.scan, self._known.living, self._newcomers.skipped, 0
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
                    self._known.by_path[path] = file
                if st.st_size != file.size or st.st_mtime_ns != file.mtime_ns:
                    changed.append((file, path, st))
            if path == file.path:
                file.home = number
            else:
                elsewhere.append((file, path))
        return Sorted(fresh, changed, elsewhere, seen)

    def _is_gone(self, file: File, scan: Scan) -> bool:
        """Whether it is certain that no name leads to it: the scan saw everything, or the file itself says so."""
        if scan.whole and scan.covers(file.path):
            return True
        return file.fd >= 0 and os.fstat(file.fd).st_nlink == 0

    def look(self, path: bytes, now: float) -> bool:
        """A hint: something happened there. True: a scan should follow soon."""
        file = self._known.by_path.get(path)
        try:
            st = os.stat(path)
        except OSError:
            return file is not None  # gone, or not to be reached: the scan finds out
        if file is not None and file.key == (st.st_dev, st.st_ino):
            self._known.notice(file, path, st, now)
            file = self._known.living.get(file.key)  # that, or what was found to have taken its place
            if file in self._known.waiting and file.size:
                self.decide(now)
            self.enroll()
            return False
        if file is not None:
            return True
        known = (st.st_dev, st.st_ino) in self._newcomers.skipped
        return stat.S_ISDIR(st.st_mode) or (not known and self._finder.matches(path))

    def _miss(self, file: File, now: float) -> None:
        """No name leads to the file. It is read on through its descriptor and finished when it has been quiet."""
        first = file.gone_since is None
        if first:
            file.gone_since = now
            self._known.forget_path(file)
            if file.fd < 0:
                self._look_beside(file)
            self._tell_gone(file)
        if file.fd >= 0:
            self._known.refresh(file, os.fstat(file.fd), now)
            if file.ended:
                return
        if self._until_eof or (first and file.fd < 0):
            return
        if file.fd < 0:
            if file.settled:
                self._known.finish(file, now)
        elif not file.has_data and now - max(file.gone_since or now, file.quiet_since) >= self._settings.close_after:
            if file.size > file.read.offset and file.file_id:
                file.finishing = True
                self._known.offer(file)
            elif file.settled:
                self._known.finish(file, now)

    def _tell_gone(self, file: File) -> None:
        """That no name that is asked for leads to it any more, where it is now, and whether it is still read."""
        place = {**file.place, "unread": file.size - file.read.offset}
        say = self._known.log.debug if file.packed else self._known.log.info
        if file.fd < 0:
            say("file.gone", **place, notice="it was not open: nothing more of it is read")
            return
        path = self._finder.name_of(os.path.dirname(file.path), file.inode)
        where = "elsewhere" if os.fstat(file.fd).st_nlink else "deleted"
        quiet = format_duration(self._settings.close_after)
        say(
            "file.gone", **place, now=where if path is None else escape(os.fsdecode(path)),
            notice=f"still followed: read to its end, let go of when it has not grown for {quiet} (source.close_after)",
        )  # fmt: skip

    def _look_beside(self, file: File) -> None:
        """It may have been renamed out of the pattern while it was not open: before the start, or for want of room."""
        path = self._finder.name_of(os.path.dirname(file.path), file.inode)
        if path is None:
            return
        try:
            self._known.descriptors.open(file, path)
            file.verify()
        except (Changed, OSError):
            self._known.descriptors.close(file)
            return
        self._known.rename(file, path)

    def leave(self) -> None:
        """Account for what cannot be read at the next start."""
        if not self.unsure:
            self._known.ended.account_all(self._known.scan)  # of what ended since, the next start may find a copy
        for file in self._known.living.values():
            if file.accounted or file.fd < 0 or self._until_eof or os.fstat(file.fd).st_nlink:
                continue
            if file.file_id:
                self._known.end(file, file.quiet_since, truncated=False)
            self._known.ended.close_account(file, "closed")

    def close(self) -> None:
        self.leave()
        self._known.descriptors.close_all()
