"""How far one generation of a file is done, with what is needed to recognise the file: the tailer's cursor."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.escape import escape
from tailrace.pipeline.source import CursorError

_TYPES = {
    "name": str, "path": str, "device": int, "inode": int, "offset": int, "head_length": int, "head_hash": str,
    "tail_length": int, "tail_hash": str, "size": int, "ended": bool, "ledger": dict,
}  # fmt: skip


@dataclass(slots=True)
class Position:
    """One row in the state, where a view shows some of these names as columns."""

    file_id: int  # the number of its stream; 0: not yet registered
    name: str  # its base name when first seen, printable
    path: bytes  # empty: no file, but the note that this was not the first start
    device: int
    inode: int
    offset: int  # everything before it is done
    head_length: int  # how many of the file's first bytes the head hash covers; grows with the file
    head_hash: str
    tail_length: int  # how many bytes just before `offset` the tail hash covers
    tail_hash: str
    size: int  # the largest size seen: bytes known to exist; of an ended one, what may yet be accounted for
    ended: bool = False  # truncated, replaced or finished: nothing more is read under this id
    ledger: dict[str, Any] = field(default_factory=dict)  # what became of its bytes; see `Ledger`

    def to_json(self) -> dict[str, Any]:
        """A path that is not UTF-8 is there as text and, exactly, in hexadecimal."""
        values = {name: getattr(self, name) for name in _TYPES}
        try:
            values["path"] = self.path.decode()
        except UnicodeDecodeError:
            values |= {"path": self.path.decode(errors="backslashreplace"), "path_hex": self.path.hex()}
        return values

    @classmethod
    def from_json(cls, file_id: int, cursor: Any) -> Position:
        """CursorError: it is none of ours."""
        try:
            values = {name: cursor[name] for name in _TYPES}
            path_hex = cursor.get("path_hex")
            path = values["path"].encode() if path_hex is None else bytes.fromhex(path_hex)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CursorError(f"the cursor of stream {file_id} is not one of a file ({error!r})") from error
        for name, kind in _TYPES.items():
            if not isinstance(values[name], kind):
                raise CursorError(f"the cursor of stream {file_id} has {name} = {values[name]!r}: not {kind.__name__}")
        return cls(file_id, **values | {"path": path})


def base_name(path: bytes) -> str:
    """Printable."""
    return escape(os.fsdecode(os.path.basename(path)))
