"""The keys of recorded files: those that ``run`` gave, where the state knows the file, else made from the file itself.

So an event of a replay has the id that it has in the outputs of ``run``, and a replay that is made again gives the same
ids again. Nothing is written anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source import JSON, CursorError
from tailrace.pipeline.source.tail.identity import digest
from tailrace.pipeline.source.tail.ledger import COPIED, TAKEN_OVER
from tailrace.pipeline.source.tail.position import Position, base_name

_DIGEST_BYTES = 5  # 40 bits: 8 letters and digits of base 32


@dataclass(slots=True, frozen=True)
class Content:
    """What a recorded file is, as far as a key needs it."""

    name: str  # its base name, without .gz or .zst
    first: bytes  # its first bytes, unpacked, ``identity.HEAD`` at most
    inode: tuple[int, int] | None = None  # (device, inode); None: a pipe
    part: Callable[[int, int], bytes] | None = (
        None  # (offset, length) to bytes, unpacked; None: it cannot be read twice
    )


class Keys:
    """``state`` and ``cursors`` are the state's id and what it remembers of the files that ``run`` tails."""

    def __init__(self, state: str = "", cursors: Mapping[int, JSON] | None = None) -> None:
        self.state = state
        self._rows = list(_positions(cursors or {}))
        self._made: dict[str, list[tuple[int, int] | None]] = {}  # by prefix: the files that have it

    def of(self, content: Content) -> str:
        """The same for the same file, wherever it stands among the arguments, also when it stands there twice."""
        row = self._recognise(content)
        if row is not None:
            return f"{self.state}-{row.file_id}"
        text = content.name.encode(errors="surrogateescape") + b"\0" + content.first
        prefix = base64.b32encode(hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()).decode().lower()
        files = self._made.setdefault(prefix, [])  # more than one: of the same name, and they begin alike
        if content.inode is None or content.inode not in files:
            files.append(content.inode)
            return f"{prefix}-{len(files)}"
        return f"{prefix}-{files.index(content.inode) + 1}"

    def _recognise(self, content: Content) -> Position | None:
        """The one generation that this file is; None: there is none, or it is not certain which."""
        alike = [row for row in self._rows if _begins_so(row, content.first) and _may_be_called(row, content.name)]
        alike = [row for row in alike if not _only_copied(row)]
        if any(row.ledger.get("skipped", {}).keys() & {COPIED, TAKEN_OVER} for row in alike):
            return None  # read in part under one id, in part under another
        fits = [row for row in alike if _goes_on(row, content)]
        if len(fits) > 1:
            fits = [row for row in fits if (row.device, row.inode) == content.inode and not row.ended]
        return fits[0] if len(fits) == 1 else None


def _positions(cursors: Mapping[int, JSON]) -> Iterator[Position]:
    for stream, cursor in cursors.items():
        try:
            row = Position.from_json(stream, cursor)
        except CursorError:
            continue  # of another source
        if row.head_length:
            yield row


def _begins_so(row: Position, first: bytes) -> bool:
    return len(first) >= row.head_length and digest(first[: row.head_length]) == row.head_hash


def _may_be_called(row: Position, name: str) -> bool:
    """It has the name under which it was read or is known now, or one that it gets when it is rotated."""
    name = escape(name)
    return name in (row.name, base_name(row.path)) or name.startswith((f"{row.name}.", f"{row.name}-"))


def _only_copied(row: Position) -> bool:
    """A copy of which nothing was read, or will be, that was not read from the original."""
    copied = row.ledger.get("skipped", {}).get(COPIED, 0)
    return bool(copied) and copied >= max(row.offset, row.size)


def _goes_on(row: Position, content: Content) -> bool:
    """Whether what stands before the row's position is what stood there."""
    if not row.offset:
        return (row.device, row.inode) == content.inode
    if content.part is None:
        return False
    before = content.part(row.offset - row.tail_length, row.tail_length)
    return len(before) == row.tail_length > 0 and digest(before) == row.tail_hash
