"""Removing dead letters from a state that no daemon uses."""

from __future__ import annotations

import os
from collections.abc import Callable

from tailrace.pipeline.errors import StateError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config
from tailrace.pipeline.state.dead_letters import Filter, Letters
from tailrace.pipeline.state.lock import holder
from tailrace.pipeline.state.store import State


def drop(letters: Letters, wanted: Filter, config: Config, before: Callable[[], None]) -> int:
    """Remove those that are wanted, all or none; how many. ``before`` is called when nobody else can change them any
    more. StateError: a daemon has the state, or it cannot be written."""
    directory = os.path.dirname(letters.path)
    if process := holder(directory):
        raise StateError(
            f"{escape(letters.path)}: a tailrace is running with this state (process {process}) and is the only one "
            "that may change it. Stop it first, drop the dead letters, and start it again; or raise "
            'dead_letters.max_bytes (or set dead_letters.when_full = "drop_oldest") and restart it'
        )
    settings = config.dead_letters
    state = State(directory, max_bytes=settings.max_bytes, when_full=settings.when_full, config=config.digest)
    state.open()
    try:
        ids = letters.ids(wanted)
        before()
        state.drop_letters(ids)
    except OSError as error:
        raise StateError(
            f"{escape(str(error))}: nothing was dropped; check the disk (space, permissions, kernel log)"
        ) from error
    finally:
        state.close()
    return len(ids)
