"""What a person may change in the state of the source: by a daemon between two runs, or without one."""

from __future__ import annotations

from typing import Any

from tailrace.pipeline.errors import StateError, TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source.building import cursors_of
from tailrace.pipeline.source.tail.moves import moved, streams_of
from tailrace.pipeline.state.store import State


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
    if len(rows) > 1:
        numbers = ", ".join(str(row.file_id) for row in rows)
        raise TailraceError(f"{escape(file)}: several streams have that name ({numbers}); forget them instead")
    cursor = moved(rows[0], to)
    others = [stream for stream, one in cursors.items() if _same_file(one, cursor) and stream != rows[0].file_id]
    _change(state, {rows[0].file_id: cursor}, others)
    log.info("state.moved", file=escape(file), to=escape(to), offset=rows[0].offset)
    return {"file": escape(file), "to": escape(to), "stream": rows[0].file_id, "offset": rows[0].offset}


def _same_file(one: Any, other: Any) -> bool:
    return not one["ended"] and (one["device"], one["inode"]) == (other["device"], other["inode"])


def _change(state: State, cursors: dict[int, Any], gone: list[int]) -> None:
    try:
        state.change_streams(cursors, gone)
    except OSError as error:
        raise StateError(f"{error}: nothing was changed; check the disk (space, permissions)") from error
