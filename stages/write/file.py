"""``write.file``: one JSON line an event, appended to files; exactly once, whatever crashes."""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline import disk
from tailrace.pipeline.batch import Event, Origin
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.outgoing import About, Outgoing, Payload
from tailrace.pipeline.stage import Cut, Guarantee, Marks
from tailrace.stages.outputs.mark import TAIL_BYTES, Mark, Output, digest, tail_of
from tailrace.stages.outputs.ndjson import to_lines
from tailrace.stages.outputs.template import Template

GONE = "was deleted or replaced: what was not committed is written again, to a new file"
SHARE = 16  # of the descriptors that the process may have, a sink takes one in so many


@dataclass
class File:
    """Append events as NDJSON to the file that ``path`` names: ``out/{source}.ndjson``, ``out/{time:%Y-%m-%d}.ndjson``.

    Missing directories are made. Below the literal directory of ``path`` no symbolic link is followed. An event whose
    path cannot be told is a dead letter (``missing_field``, ``bad_timestamp``, ``bad_type``; ``rejected``: a value with
    ``/``), as is one that JSON cannot hold (``rejected``: a set, bytes, a lone surrogate); NaN and
    infinities are written as null. An output that was moved away by others is noticed at the next commit and a new one
    begun.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "write.file"
        path = "out/{level}/{time:%Y-%m-%d}.ndjson"

    Lines::

        {"time": "2026-02-02T23:59:59Z", "level": "info", "msg": "order paid"}
        {"time": "2026-02-03T00:00:01Z", "level": "error", "msg": "payment refused"}
        {"time": "2026-02-03T00:00:02Z", "level": "../etc", "msg": "no place to go"}

    Commands::

        tailrace run -c example.toml --until-eof
        cat out/info/2026-02-02.ndjson
        cat out/error/2026-02-03.ndjson
    """

    # A destination is known from ``announce`` on, or from ``recover``, unless its file was not there any more: then it
    # must be announced again, for the new file has no durable mark.

    path: str  # `{source}` is the file's name, `{field}` a field, `{time:%Y-%m-%d}` its time in UTC, `{{` a brace
    mode: str = "0640"  # of new files, octal; new directories may be entered by whoever may read
    max_open_files: int = 256  # or fewer, where the process may have fewer than 4096 descriptors

    guarantee: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE

    def __post_init__(self) -> None:
        problems = []
        try:
            self._template = Template(self.path)
        except ValueError as error:
            problems.append(str(error))
        if not re.fullmatch("0?[0-7]{3}", self.mode) or int(self.mode, 8) & 0o600 != 0o600:
            problems.append(f'mode is {self.mode!r}: expected octal digits that let the owner read and write: "0640"')
        if self.max_open_files < 1:
            problems.append(f"max_open_files is {self.max_open_files}: at least one file must be open")
        if problems:
            raise ValueError("\n".join(problems))
        self.given_plain = False  # set when the chain is built
        self._source = ""  # of the batch that is encoded; all else belongs to the sink's thread
        self._about = About(self.path, None, lambda _notice: None)
        self._directory: str | None = None  # the literal directory, resolved once
        self._outputs: dict[str, Output] = {}  # by destination: those whose mark the engine knows
        self._descriptors: OrderedDict[str, int] = OrderedDict()  # by destination, the one used last at the end
        self._dirty: dict[str, Output] = {}  # written to since the last barrier
        self._new_entries: set[str] = set()  # directories to make durable at the next barrier
        self._lost: OSError | None = None  # why what was delivered cannot become durable: the next barrier raises it

    # In a worker.

    def locate(self, origin: Origin) -> None:
        self._source = origin.name

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        if not events:
            return []
        paths = self._template.paths(events, self._source)
        if isinstance(paths, str):
            return [Payload(paths, to_lines(events, self.given_plain))]
        if paths.count(paths[0]) == len(paths):
            return [Payload(paths[0], to_lines(events, self.given_plain))]
        groups: defaultdict[str, list[Event]] = defaultdict(list)
        for path, event in zip(paths, events, strict=True):
            groups[path].append(event)
        return [Payload(path, to_lines(group, self.given_plain)) for path, group in groups.items()]

    # In the sink's thread.

    def connect(self, about: About) -> None:
        self._about = about

    def paths(self, marks: Marks) -> list[str]:
        return [mark["path"] for mark in marks.values()]

    def announce(self, destinations: Sequence[str]) -> Marks:
        for destination in destinations:
            if destination not in self._outputs:
                self._outputs[destination] = self._begin(destination)
        return {destination: self._outputs[destination].mark() for destination in destinations}

    def deliver(self, batch: Outgoing) -> None:
        destination, payload = batch.destination, memoryview(batch.data)
        output = self._outputs.get(destination)
        if output is None:
            raise RuntimeError(f"{destination} was not announced: its mark must be durable before it is written to")
        try:
            descriptor = self._descriptor(output)
            self._check_length(output, descriptor)
        except _Lost as lost:
            self._lost = lost
        if self._lost is not None:
            return  # the next barrier fails, and everything since the last commit comes again
        self._dirty[destination] = output
        written = 0
        try:
            while written < len(payload):
                written += disk.write(descriptor, payload[written:], output.length + written, output.path)
        except OSError:
            disk.truncate(descriptor, output.length, output.path)
            raise
        output.length += written
        output.tail = (output.tail + bytes(payload[-TAIL_BYTES:]))[-TAIL_BYTES:]

    def sync(self, cut: Cut) -> Marks:  # noqa: ARG002  every cut is alike
        if self._lost is not None:
            raise self._lost
        for output in list(self._dirty.values()):
            descriptor = self._descriptors.get(output.destination)
            if descriptor is not None:
                self._check_length(output, descriptor)
            moved = not self._is_in_place(output)
            if moved and descriptor is None:
                raise _Lost(errno.ESTALE, GONE, output.path)
            if descriptor is not None:
                disk.sync(descriptor, output.path)
            if moved:
                self._about.say(f"{output.path}: was moved away by somebody else; a new file is begun")
                self._close(output.destination)
                self._dirty[output.destination] = self._outputs[output.destination] = self._begin(output.destination)
        for directory in sorted(self._new_entries):
            disk.sync_directory(directory)
        marks = {destination: output.mark() for destination, output in self._dirty.items()}
        self._new_entries.clear()
        self._dirty.clear()
        return marks

    def recover(self, marks: Marks, may_cut: bool) -> None:
        """Cut every file to its mark; what was not ours to write, or cannot be made again, is set aside beside it.
        StateError, before anything is changed, if one has lost what was committed."""
        self.close()
        self._outputs.clear()
        self._dirty.clear()
        self._new_entries.clear()
        self._lost = None
        self._resolve()
        problems = []
        known = []
        kept = {destination: Mark(**mark) for destination, mark in marks.items()}
        for destination, mark in kept.items():
            try:
                output = self._recognise(destination, mark)
            except _Damaged as damaged:
                problems.append(str(damaged))
                continue
            if output is not None:
                known.append(output)
            elif mark.length or not mark.ours:
                self._about.say(f"{mark.path}: the file written so far is not there any more; a new one is begun")
        if problems:
            raise StateError("\n".join(problems))
        for output in known:
            behind = disk.status(output.path).st_size - output.length
            if behind:
                self._take_back(output, behind, may_cut)
            if output.ours and output.length == 0:
                disk.unlink(output.path)
                continue
            if output.length == 0:  # of a process killed before its first barrier: its name may not be durable
                self._new_entries |= disk.directories(output.path)
            self._outputs[output.destination] = output
            descriptor = self._descriptor(output)
            if behind:
                disk.truncate(descriptor, output.length, output.path)
        # Before their marks go: what was removed, now or by a process killed since, must not come back with lines.
        for directory in sorted(
            {os.path.dirname(mark.path) for mark in kept.values() if mark.ours and not mark.length}
        ):
            if os.path.isdir(directory):
                disk.sync_directory(directory)

    def discard(self, marks: Marks, may_cut: bool) -> None:
        self.recover(marks, may_cut)

    def _take_back(self, output: Output, behind: int, may_cut: bool) -> None:
        """Before a file is cut: say so, and keep a copy of what does not come again."""
        most = self._about.most_uncommitted
        about = f"{output.path}: {behind:,} bytes behind the last commit, at byte {output.length:,},"
        if most is not None and behind > most:
            why = f"are more than the {most:,} that a crash can leave, so somebody else has written there"
        elif not may_cut:
            why = "may have come from files that are gone and cannot be read again"
        else:
            self._about.say(f"{about} are cut off; the lines that we wrote there are read again")
            return
        aside = disk.set_aside(output.path, output.length)
        self._about.say(f"{about} {why}: they are kept in {aside}, and cut off here")

    def close(self) -> None:
        for destination in list(self._descriptors):
            self._close(destination)

    def _resolve(self) -> str:
        if self._directory is None:
            self._directory = os.path.realpath(self._template.base)
        return self._directory

    def _begin(self, destination: str) -> Output:
        """Open the file the destination names now, or make it."""
        path = os.path.join(self._resolve(), destination[len(self._template.base) :])
        self._make_room()
        descriptor, made = disk.create(path, int(self.mode, 8))
        self._new_entries |= disk.directories(path)
        self._descriptors[destination] = descriptor
        status = os.fstat(descriptor)
        tail = tail_of(descriptor, status.st_size)
        if tail and not tail.endswith(b"\n"):
            self._about.say(f"{path}: was there before and does not end with a newline; appended to as it is")
        return Output(destination, path, status.st_dev, status.st_ino, status.st_size, tail, made)

    def _descriptor(self, output: Output) -> int:
        descriptor = self._descriptors.get(output.destination)
        if descriptor is not None:
            self._descriptors.move_to_end(output.destination)
            return descriptor
        self._make_room()
        if not self._is_in_place(output):
            raise _Lost(errno.ESTALE, GONE, output.path)
        descriptor = self._descriptors[output.destination] = disk.open_file(output.path)
        return descriptor

    def _make_room(self) -> None:
        """Close the file that was not used for longest; what was written to it is durable then."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        share = self.max_open_files if soft == resource.RLIM_INFINITY else max(soft // SHARE, 1)
        while len(self._descriptors) >= min(self.max_open_files, share):
            destination, descriptor = next(iter(self._descriptors.items()))
            if destination in self._dirty:
                try:
                    disk.sync(descriptor, self._dirty[destination].path)
                except OSError as error:  # never tried again: what it covered may be gone
                    self._lost = error
            self._close(destination)

    def _close(self, destination: str) -> None:
        os.close(self._descriptors.pop(destination))

    def _is_in_place(self, output: Output) -> bool:
        try:
            status = disk.status(output.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (status.st_dev, status.st_ino) == (output.device, output.inode)

    def _check_length(self, output: Output, descriptor: int) -> None:
        """Others may have emptied the file: then we go on at its end, not behind a hole. Or deleted it."""
        status = os.fstat(descriptor)
        if status.st_nlink == 0:
            raise _Lost(errno.ESTALE, GONE, output.path)
        if status.st_size < output.length:
            self._about.say(
                f"{output.path}: was shortened by somebody else from {output.length} to {status.st_size} bytes; "
                "going on at its end"
            )
            output.length = status.st_size
            output.tail = tail_of(descriptor, status.st_size)

    def _recognise(self, destination: str, mark: Mark) -> Output | None:
        """The output of a mark, if its file is still there; _Damaged if it is not as we can have left it."""
        try:
            status = disk.status(mark.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if status.st_ino != mark.inode or not stat.S_ISREG(status.st_mode):
            return None
        descriptor = disk.open_file(mark.path)
        try:
            tail = tail_of(descriptor, mark.length)
        finally:
            os.close(descriptor)
        if status.st_size < mark.length:
            problem = f"holds {status.st_size} bytes, but {mark.length} were written and committed"
        elif digest(tail) != mark.tail:
            problem = f"holds other bytes before byte {mark.length} than were written and committed"
        else:
            return Output(destination, mark.path, status.st_dev, status.st_ino, mark.length, tail, mark.ours)
        if status.st_dev != mark.device:
            return None  # another file system, and the inode's number is chance
        raise _Damaged(
            f"the output {mark.path} {problem}: somebody else has changed it. Put it back as it was; or, if it is to "
            "stay so, move it away: then a new file is begun, with the lines that come next"
        )


class _Lost(OSError):
    """What was delivered cannot become durable where it should: only going back to the last commit helps."""


class _Damaged(Exception):
    """An output is not what its mark says."""
