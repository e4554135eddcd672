"""All files there are: found by scans and hints, and finished when no name leads to them any more.

The rules are those of DESIGN.md, "Which file is this?". Nothing is read here but what tells files apart.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tailrace.pipeline.config.units import format_duration
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import TailSettings
from tailrace.pipeline.source import Register
from tailrace.pipeline.source.tail.file import File
from tailrace.pipeline.source.tail.finder import Finder, Scan
from tailrace.pipeline.source.tail.identity import Changed
from tailrace.pipeline.source.tail.missing import Missing
from tailrace.pipeline.source.tail.new_files import NAMED, NewFiles
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.source.tail.registry import Key, Registry


class Sorted(NamedTuple):
    """What a scan found, by what is to be done."""

    fresh: list[tuple[bytes, os.stat_result]]  # unknown inodes
    changed: list[tuple[File, bytes, os.stat_result]]
    elsewhere: list[tuple[File, bytes]]  # known files, under another path
    seen: int  # known files found


class Discovery:
    """Called by ``Tail`` only."""

    def __init__(
        self,
        settings: TailSettings,
        register: Register,
        ours: Callable[[bytes], bool],
        registry: Registry,
        until_eof: bool,
        last_line: bool,
        wall: Callable[[], float],
        kept: Mapping[int, int],
    ) -> None:
        self._settings, self._register, self._until_eof, self._last_line = settings, register, until_eof, last_line
        self._finder = Finder(settings.paths, settings.exclude)
        self._registry, self._kept = registry, dict(kept)
        self._new_files = NewFiles(registry, register, ours, encoding(settings.encoding), settings.ignore_older, wall)
        self.retired: list[int] = []  # file ids whose rows may go
        self.found = 0  # by the last scan
        self.missing: list[str] = []  # streams of the state that cannot be read again, and why; known after `open`
        self._opened = False  # what the start looks for is found

    @property
    def unsure(self) -> bool:
        """Whether there is content of which it is not clear yet what is to be read."""
        waiting = (self._registry.unregistered, self._registry.waiting)
        return any(file.size and not file.failed for files in waiting for file in files)

    def decide(self, now: float) -> None:
        """What new files are, as far as that can be known between two scans."""
        self._new_files.decide(now, whole=True)

    def register_new(self) -> None:
        """Register what is new and became clear since."""
        self._new_files.register_new()

    def open(self, rows: Sequence[Position], now: float) -> None:
        """Recognise the files of the state, and find the others."""
        first = not rows and self._settings.read_from == "end"
        self._new_files.starts_at_end = first
        files = [File.resumed(row, now) for row in sorted(rows, key=lambda row: row.file_id) if row.path]  # (see below)
        missing = Missing(files)
        self._resume(files, now)
        self._close_kept()
        whole = self.scan(now)
        if any(file.ended_scan == self._registry.scan for file in self._registry.ended.files.values()):
            whole = self.scan(now)  # there may be copies, made after the first one had looked where they are
        self.missing = list(missing.streams(self._registry))
        self._log_unwanted()
        if whole and not any(file.size for file in self._registry.waiting):
            self._registry.ended.account_all(self._registry.scan)  # a copy would have been found
        self._opened = True
        if self._until_eof:
            for file in self._registry.living.values():
                file.limit, file.last_line = file.size, self._last_line
        if first:
            # A row that stays, so that what appears later is read from its beginning: this was the first start.
            self._register([Position(0, "", b"", 0, 0, 0, 0, "", 0, "", 0, ended=True).to_json()])
        self._new_files.starts_at_end = False

    def _resume(self, files: Sequence[File], now: float) -> None:
        """Those of the state, in the order of their ids."""
        registry = self._registry
        earlier: dict[Key, list[File]] = {}
        for file in files:
            file.ended_at = now
            if not file.ended and not self._asked_for(file):
                if not self._nameless(file):
                    registry.unwanted[file.key] = file
                    continue
                registry.by_id[file.file_id] = file  # nobody can ask for it later
                registry.end(file, now, truncated=False)
                registry.ended.close_account(file, "closed")
                continue
            registry.by_id[file.file_id] = file
            if (descriptor := self._kept.pop(file.file_id, None)) is not None:
                registry.descriptors.adopt(file, descriptor)
            older = registry.living.get(file.key)
            if older is not None:
                registry.remove(older)
                registry.end(older, now, truncated=True)
            for ended in earlier.get(file.key, ()):
                ended.truncated = True
            earlier.setdefault(file.key, []).append(file)
            if file.ended:
                rest = file.size > file.cursor.read.offset  # not accounted for: a copy may hold it
                registry.ended.add(file, now, 0, truncated=rest)
            else:
                registry.add(file)
                registry.counters.add("files_resumed")
            if file.ledger.original:
                registry.ended.copies[file.ledger.original] = file

    def _nameless(self, file: File) -> bool:
        """Only the descriptor that was kept leads to it."""
        descriptor = self._kept.get(file.file_id)
        return descriptor is not None and os.fstat(descriptor).st_nlink == 0

    def take_kept(self) -> dict[int, int]:
        """Descriptors that were given and are of no use yet: it was not opened."""
        kept, self._kept = self._kept, {}
        return kept

    def _close_kept(self) -> None:
        for descriptor in self.take_kept().values():
            os.close(descriptor)

    def _asked_for(self, file: File) -> bool:
        """Whether the configuration asks for it by its name, or by the one that it had before it was renamed."""
        before = os.path.join(os.path.dirname(file.path), os.fsencode(file.name))
        escaped = "\\" in file.name  # then it is not known what the name was
        return escaped or self._finder.matches(file.path) or self._finder.matches(before)

    def _log_unwanted(self) -> None:
        """Those of the state that the configuration does not ask for."""
        files = list(self._registry.unwanted.values())
        notice = "not read: source.paths and source.exclude no longer ask for {}; the position is kept"
        if len(files) > NAMED:
            self._registry.log.info("files.unwanted", files=len(files), notice=notice.format("them"))
            return
        for file in files:
            self._registry.log.info("file.unwanted", **file.place, notice=notice.format("it"))

    def scan(self, now: float) -> bool:
        """Look at every name and what it leads to. False: some of it could not be seen."""
        self._registry.scan += 1
        failed = self._registry.try_again()
        scan = self._finder.scan()
        self.found = len(scan.found)
        self._registry.troubles.directories(scan.failed)
        fresh, changed, elsewhere, seen = self._sort(scan)
        for file, path, st in changed:
            self._registry.notice(file, path, st, now)
        for file, path in elsewhere:
            if file.home != self._registry.scan:
                file.home = self._registry.scan
                self._registry.rename(file, path)
        for path, st in sorted(fresh) if not (self._until_eof and self._opened) else ():
            seen += self._new_files.examine(path, st, now)
        self._new_files.say_too_old()
        self._new_files.decide(now, whole=scan.whole)
        if seen < len(self._registry.living):
            for file in list(self._registry.living.values()):
                if file.scan != self._registry.scan and (self._is_gone(file, scan)):
                    self._name_gone(file, now)
        self.register_new()
        for file in failed:
            self._registry.offer(file)
        if scan.whole:
            self._registry.ended.account(
                self._registry.scan, undecided=any(file.size for file in self._registry.waiting)
            )
            for file_id in self._registry.ended.retire(now):
                del self._registry.by_id[file_id]
                self._registry.dirty.discard(file_id)
                self.retired.append(file_id)
        self._new_files.forget_unseen()
        return scan.whole and not scan.failed

    def _sort(self, scan: Scan) -> Sorted:
        """The one loop over all files: a few microseconds each."""
        fresh: list[tuple[bytes, os.stat_result]] = []
        changed: list[tuple[File, bytes, os.stat_result]] = []
        elsewhere: list[tuple[File, bytes]] = []
        number, living, skipped, seen = self._registry.scan, self._registry.living, self._new_files.skipped, 0
        too_old = self._new_files.too_old
        for path, st in scan.found.items():
            key = (st.st_dev, st.st_ino)
            file = living.get(key)
            if file is None:
                if key in skipped:
                    skipped[key] = number
                elif key in too_old and too_old[key][0] == st.st_mtime_ns:
                    too_old[key] = st.st_mtime_ns, number
                else:
                    fresh.append((path, st))
                continue
            if file.scan != number:
                file.scan = number
                seen += 1
                if file.gone_since is not None:
                    file.gone_since, file.finishing = None, False
                    self._registry.by_path[path] = file
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
        file = self._registry.by_path.get(path)
        try:
            st = os.stat(path)
        except OSError:
            return file is not None  # gone, or not to be reached: the scan finds out
        if file is not None and file.key == (st.st_dev, st.st_ino):
            self._registry.notice(file, path, st, now)
            file = self._registry.living.get(file.key)  # that, or what was found to have taken its place
            if file in self._registry.waiting and file.size:
                self.decide(now)
            self.register_new()
            return False
        if file is not None:
            return True
        known = (st.st_dev, st.st_ino) in self._new_files.skipped
        return stat.S_ISDIR(st.st_mode) or (not known and self._finder.matches(path))

    def _name_gone(self, file: File, now: float) -> None:
        """No name leads to the file. It is read on through its descriptor and finished when it has been quiet."""
        first = file.gone_since is None
        if first:
            file.gone_since = now
            self._registry.forget_path(file)
            if file.fd < 0:
                self._look_beside(file)
            self._log_gone(file)
        if file.fd >= 0:
            self._registry.refresh(file, os.fstat(file.fd), now)
            if file.ended:
                return
        if self._until_eof or (first and file.fd < 0):
            return
        if file.fd < 0:
            if file.settled:
                self._registry.finish(file, now)
        elif not file.has_data and now - max(file.gone_since or now, file.quiet_since) >= self._settings.close_after:
            if file.unread and file.file_id:
                file.finishing = True
                self._registry.offer(file)
            elif file.settled:
                self._registry.finish(file, now)

    def _log_gone(self, file: File) -> None:
        """No name that is asked for leads to it any more: where it is now, and whether it is still read."""
        place = {**file.place, "unread": file.unread}
        say = self._registry.log.debug if file.packed else self._registry.log.info
        if file.fd < 0:
            say("file.gone", **place, notice="it was not open: nothing more is read from it")
            return
        path = self._finder.name_of(os.path.dirname(file.path), file.inode)
        where = "elsewhere" if os.fstat(file.fd).st_nlink else "deleted"
        quiet = format_duration(self._settings.close_after)
        say(
            "file.gone", **place, now=where if path is None else escape(os.fsdecode(path)),
            notice=f"still read to its end, and closed when it has not grown for {quiet} (source.close_after)",
        )  # fmt: skip

    def _look_beside(self, file: File) -> None:
        """It may have been renamed out of the pattern while it was not open: before the start, or for want of room."""
        path = self._finder.name_of(os.path.dirname(file.path), file.inode)
        if path is None:
            return
        try:
            self._registry.descriptors.open(file, path)
            file.verify()
        except (Changed, OSError):
            self._registry.descriptors.close(file)
            return
        self._registry.rename(file, path)

    def leave(self) -> None:
        """Account for what cannot be read at the next start."""
        if not self.unsure:
            self._registry.ended.account_all(self._registry.scan)  # of what ended since, the next start may find a copy
        for file in list(self._registry.living.values()):
            if self._until_eof:
                if file.gone_since is not None and file.fd < 0 and file.settled and not file.unread and not self.unsure:
                    self._registry.finish(file, file.quiet_since)  # else each such run would miss it again
                continue
            if file.accounted or file.fd < 0 or os.fstat(file.fd).st_nlink:
                continue
            if file.file_id:
                self._registry.end(file, file.quiet_since, truncated=False)
            self._registry.ended.close_account(file, "closed")

    def close(self) -> None:
        self.leave()
        self._close_kept()
        self._registry.descriptors.close_all()
