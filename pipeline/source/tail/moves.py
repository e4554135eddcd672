"""What a person may change of where files are read: a file forgotten, or known under another name from now on."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.source.tail.identity import HEAD, Head, Marker, continues
from tailrace.pipeline.source.tail.position import Position


def streams_of(cursors: Mapping[int, Any], file: str, *, ended: bool = False) -> list[Position]:
    """Those of the file that are still read; with ``ended``, the others too. TailraceError: there are none."""
    rows = [Position.from_json(*one) for one in cursors.items()]
    living = [row for row in rows if row.path and (ended or not row.ended)]
    wanted = os.fsencode(file)
    real = os.path.realpath(wanted)
    found = [row for row in living if row.path == wanted]
    found = found or [row for row in living if os.path.realpath(row.path) == real]
    if not found:
        names = {os.path.basename(path): path for path in (os.fsdecode(row.path) for row in living)}
        near = difflib.get_close_matches(os.path.basename(file), names, n=1, cutoff=0.75)
        hint = f"did you mean {escape(names[near[0]])}? " if near else ""
        raise TailraceError(f"{escape(file)}: the state knows no such file; {hint}`tailrace state show` lists them all")
    return found


def moved(row: Position, to: str) -> dict[str, Any]:
    """The cursor for the same content in another file. TailraceError: that file does not hold what was read."""
    path = os.fsencode(os.path.abspath(to))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise TailraceError(f"{escape(to)}: cannot be read: {error.strerror}") from error
    try:
        st = os.fstat(descriptor)
        if not stat.S_ISREG(st.st_mode):
            raise TailraceError(f"{escape(to)}: it is no regular file")
        marker = Marker(row.offset, row.tail_length, row.tail_hash)
        if not continues(descriptor, st.st_size, Head(row.head_length, row.head_hash), marker):
            raise TailraceError(
                f"{escape(to)}: it does not hold what was read of {escape(os.fsdecode(row.path))} up to byte "
                f"{row.offset:,} (compared: the first {min(row.head_length, HEAD):,} bytes and the last "
                f"{row.tail_length}); nothing was changed. `tailrace state forget` lets it be read from its beginning"
            )
    finally:
        os.close(descriptor)
    size = max(row.offset, st.st_size)
    ledger = row.ledger
    if "pending" in ledger:
        grown = size - row.offset - ledger["pending"]
        ledger = {**ledger, "seen": ledger["seen"] + grown, "pending": ledger["pending"] + grown}
    return replace(row, path=path, device=st.st_dev, inode=st.st_ino, size=size, ledger=ledger).to_json()
