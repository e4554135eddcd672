"""States for tests, and how others read them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tailrace.pipeline.state.dead_letters import DeadLetter
from tailrace.pipeline.state.store import State
from tailrace.pipeline.testing.doubles import CrashError, ListSource

from .engine_kit import Pipeline

ANY = st.characters(exclude_categories=())  # lone surrogates, too: a file's name may hold any byte


def state(directory: Path, **options: Any) -> State:
    options = {"max_bytes": 1 << 20, "when_full": "block", "config": "digest", **options}
    return State(os.fspath(directory), **options)


def reopened(directory: Path) -> State:
    """As the next process would find it."""
    one = state(directory)
    one.open()
    return one


def letter(raw: bytes = b"raw \x00\xff", offset: int = 0, **more: Any) -> DeadLetter:
    where = (1, f"abcd1234-1:{offset}", "a.log", "/logs/a.log", offset, len(raw))
    return DeadLetter(1.5, "parse.x", "no_match", "why", *where, raw, **more)


def rows(one: State, query: str) -> list[tuple[Any, ...]]:
    """As anybody else reads them."""
    with closing(sqlite3.connect(one.path)) as db:
        return db.execute(query).fetchall()


def through_crashes(
    directory: Path,
    files: dict[str, bytes],
    make: Callable[[ListSource, State], Pipeline],
    *,
    crashes: tuple[int, ...],
    chunk_bytes: int,
) -> None:
    """Run until so many bytes are read, once for each of ``crashes``, then to the end: each time from what was kept."""
    for crash in (*crashes, None):
        store = reopened(directory)
        source = ListSource(files, store.register, chunk_bytes=chunk_bytes, crash_after=crash)
        one = make(source, store)
        try:
            one.engine.run(partial(source.open, store.cursors(), 0.0))
        except CrashError:
            continue
        finally:
            source.close()
            store.close()
            one.ring.close()
