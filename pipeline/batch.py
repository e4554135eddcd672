"""An event, a line that failed, and the batch: the lines of one piece and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(slots=True, eq=False)
class Fail:
    """Stands in a stage's result in place of an event: this line becomes a dead letter.

    ``code`` is short and stable (``no_match``, ``bad_type``, ``bad_timestamp``, ``missing_field``, ``too_large``,
    ``time_budget``, ``rejected``, ``raised``, ``killed``); ``why`` is for people. An enrich stage passes the
    ``event`` it was given, so that the engine finds the line; a parse stage need not (its entries stand in the order
    of the lines). ``trace`` is a traceback, when there is one.
    """

    code: str
    why: str
    event: Event | None = None
    trace: str | None = None


@dataclass(slots=True)
class Batch:
    """Where the events of one piece came from. One piece is whole lines of one generation of one file."""

    name: str  # the file's name: its base name when first seen; does not change when the file is renamed
    path: str  # where it was found, escaped for printing where it is not UTF-8
    file_id: int  # of this generation
    now: float  # seconds since the epoch: the wall clock in `run`, the file's mtime in `replay`; guides missing years
    offsets: Sequence[int]  # byte offset in the file of each line, aligned with what the stage is given next
    text: str = ""  # what the parse stage is given next, and the same as lines: splitting again is a tenth of parsing
    lines: Sequence[str] = ()
    data: bytes = b""  # the bytes they were made of, with empty lines and line ends


@dataclass(slots=True, eq=False)
class Chunk:
    """Whole lines of one generation of one file, read into a slot by the source; lines end with ``\\n``.

    Only the very last line of a finished (or replayed) file may lack its newline. A chunk with ``oversize`` holds the
    first bytes of one single over-long line instead (no worker sees it; it becomes a dead letter).
    """

    file_id: int
    name: str
    path: str  # printable
    start: int  # byte offset in the file of the first byte in the slot
    length: int  # bytes in the slot
    end: int  # offset in the file where the next chunk begins: start + length, unless bytes were cut or skipped
    now: float  # seconds since the epoch, see Batch.now
    oversize: int | None = None  # the over-long line's whole length in bytes, without its newline


@dataclass(slots=True)
class Position:
    """How far one generation of a file is done, with what is needed to know the file again. One row in the state."""

    file_id: int  # 0: not yet registered
    name: str
    path: bytes
    device: int
    inode: int
    offset: int  # everything before it is done
    head_length: int  # how many of the file's first bytes the head hash covers; grows with the file
    head_hash: str
    tail_length: int  # how many bytes just before `offset` the tail hash covers
    tail_hash: str
    size: int  # the largest size seen: bytes known to exist; of an ended one, what may yet be accounted for
    ended: bool = False  # truncated, replaced or finished: nothing more is read under this id
    ledger: str = ""  # what became of its bytes, as JSON; see pipeline/source/tail/ledger.py
