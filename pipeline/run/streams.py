"""What a person may change in the state of the source: by a daemon between two runs, or without one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source.building import cursors_of
from tailrace.pipeline.source.tail.finder import Finder
from tailrace.pipeline.source.tail.moves import moved, streams_of
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.state.store import State


def check(config: Config, state: State, file: str, to: str | None = None) -> None:
    """Before a run ends for it. TailraceError: it cannot be done."""
    rows = streams_of(cursors_of(config.tail.use, state.cursors()), file)
    if to is not None:
        _movable(config, rows, file, to)


def forget(config: Config, state: State, log: Any, file: str) -> dict[str, Any]:
    """The file is read from its beginning at the next scan, under another stream's number. TailraceError."""
    rows = streams_of(cursors_of(config.tail.use, state.cursors()), file)
    _change(state, {}, [row.file_id for row in rows])
    offset = max(row.offset for row in rows)
    log.warning(
        "state.forgotten", file=escape(file), offset=offset,
        notice="if it is still there it is read from its beginning, and outputs get again what they have of it",
    )  # fmt: skip
    return {"file": escape(file), "streams": [row.file_id for row in rows], "offset": offset}


def move(config: Config, state: State, log: Any, file: str, to: str) -> dict[str, Any]:
    """What was known of the file is known of the other one. TailraceError: that has not the same content."""
    cursors = cursors_of(config.tail.use, state.cursors())
    rows = streams_of(cursors, file)
    cursor = _movable(config, rows, file, to)
    others = [stream for stream, one in cursors.items() if _same_file(one, cursor) and stream != rows[0].file_id]
    _change(state, {rows[0].file_id: cursor}, others)
    log.info("state.moved", file=escape(file), to=escape(to), offset=rows[0].offset)
    return {
        "file": escape(file), "to": escape(to), "stream": rows[0].file_id, "offset": rows[0].offset,
        "asked_for": _asked_for(config, os.fsencode(to)),
    }  # fmt: skip


def _movable(config: Config, rows: Sequence[Position], file: str, to: str) -> dict[str, Any]:
    """The stream's new cursor. TailraceError: it is not to be moved there."""
    if len(rows) > 1:
        numbers = ", ".join(str(row.file_id) for row in rows)
        raise TailraceError(f"{escape(file)}: several streams have that name ({numbers}); forget them instead")
    (row,) = rows
    cursor = moved(row, to)
    try:
        st = os.stat(row.path)
    except OSError:
        return cursor
    still_there = (st.st_dev, st.st_ino) == (row.device, row.inode) != (cursor["device"], cursor["inode"])
    if still_there and _asked_for(config, row.path):
        raise TailraceError(
            f"{escape(os.fsdecode(row.path))}: it is still there, and would be read again from its beginning; remove "
            "it, or list it in source.exclude, before its place is given to a copy"
        )
    return cursor


def _asked_for(config: Config, path: bytes) -> bool:
    return Finder(config.tail.paths, config.tail.exclude).matches(path)


def _same_file(one: Any, other: Any) -> bool:
    return not one["ended"] and (one["device"], one["inode"]) == (other["device"], other["inode"])


def _change(state: State, cursors: dict[int, Any], gone: list[int]) -> None:
    try:
        state.change_streams(cursors, gone)
    except OSError as error:
        raise StateError(f"{error}: nothing was changed; check the disk (space, permissions)") from error
