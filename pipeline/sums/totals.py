"""What a stage of sums has added up so far: a mapping of JSON values that knows what has changed since the last cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import orjson
from tailrace.pipeline.sums.results import Rows


class Totals(MutableMapping[str, Any]):
    """Values belong to the stage, which assigns a new one, or the same again, where it has changed something."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._changed: set[str] = set()
        self._sizes: dict[str, int] = {}
        self.size = 0  # bytes of keys and JSON, as of the last cut; of what is new since then only the keys

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = value
        self._changed.add(key)
        if key not in self._sizes:
            self._measure(key, len(key))

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._changed.add(key)
        self.size -= self._sizes.pop(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def cut(self) -> Rows:
        """What changed since the last one."""
        rows: Rows = {}
        for key in self._changed:
            if key in self._values:
                # Copied: what orjson returns holds 4 KiB for as long as it lives, however short it is.
                rows[key] = text = bytes(memoryview(orjson.dumps(self._values[key])))
                self._measure(key, len(key) + len(text))
            else:
                rows[key] = None
        self._changed.clear()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Hold exactly these."""
        self._values = {key: orjson.loads(value) for key, value in rows.items()}
        self._changed.clear()
        self._sizes = {key: len(key) + len(value) for key, value in rows.items()}
        self.size = sum(self._sizes.values())

    def _measure(self, key: str, size: int) -> None:
        self.size += size - self._sizes.get(key, 0)
        self._sizes[key] = size
