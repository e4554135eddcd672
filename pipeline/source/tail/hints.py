"""Hints from the operating system, by way of watchdog, that something changed under a path. Nothing relies on them.

inotify drops events, watches directories that were renamed away, and its observer can die; so a hint only makes the
tailer look earlier than its next scan would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.pipeline.telemetry.log import Log
    from watchdog.observers.api import BaseObserver, ObservedWatch


class Hints:
    """Watches directories. ``start`` begins it (threads: only after the workers are there), ``check`` repairs it."""

    def __init__(self, bases: Sequence[tuple[bytes, bool]], wake: Callable[[], object], log: Log) -> None:
        self._bases = bases
        self._wake = wake
        self._log = log
        self._paths: set[bytes] = set()
        self._observer: BaseObserver | None = None
        self._watches: dict[bytes, tuple[tuple[int, int], ObservedWatch]] = {}  # base: what it was, and its watch
        self._faults: dict[bytes, str] = {}  # said, and still so
        self._running = False

    def start(self) -> None:
        self._running = True
        self.check()

    def take(self) -> set[bytes]:
        """The paths under which something happened since the last call."""
        taken = set()
        while self._paths:  # one by one: the observer's thread goes on adding
            taken.add(self._paths.pop())
        return taken

    def check(self) -> None:
        """Before each scan, which sees what was missed: replace a dead observer, and watches whose directory has been
        replaced or was not there."""
        if not self._running:
            return
        if self._observer is None or not self._observer.is_alive():
            self._renew()
        for base, recursive in self._bases:
            self._repair(base, recursive)

    def stop(self) -> None:
        self._running = False
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join(1.0)

    def _renew(self) -> None:
        from watchdog.observers import Observer  # late: it costs a tenth of a second at start

        dead, self._observer = self._observer, None
        self._watches.clear()
        if dead is not None:
            self._log.warning(
                "watch.died", hint="the file watcher died and is started again; the scan each second finds all changes"
            )
            dead.stop()  # the emitters live on without it
        try:
            observer = Observer()
            observer.start()
        except (OSError, RuntimeError) as error:  # no threads or no inotify instance to be had
            self._fault(b"", str(error))
            return
        self._observer = observer

    def _repair(self, base: bytes, recursive: bool) -> None:
        observer = self._observer
        if observer is None:
            return
        try:
            st = os.stat(base)
        except OSError as error:
            self._drop(base)
            self._fault(base, error.strerror or str(error))
            return
        key = (st.st_dev, st.st_ino)
        known = self._watches.get(base)
        if known is not None:
            alive = any(emitter.is_alive() and emitter.watch == known[1] for emitter in observer.emitters)
            if known[0] == key and alive:
                return
            self._drop(base)
        real = os.path.realpath(base)
        try:
            handler: Any = _Handler(self, real, base)  # all that is called of a handler is `dispatch`
            watch = observer.schedule(handler, os.fsdecode(real), recursive=recursive, event_filter=_events())
        except (OSError, RuntimeError) as error:
            self._fault(base, str(error))
            return
        self._watches[base] = (key, watch)
        self._faults.pop(base, None)

    def _drop(self, base: bytes) -> None:
        known = self._watches.pop(base, None)
        if known is not None and self._observer is not None:
            try:
                self._observer.unschedule(known[1])
            except (KeyError, OSError) as error:
                self._log.debug("watch.unschedule", directory=os.fsdecode(base), error=str(error))

    def _fault(self, base: bytes, why: str) -> None:
        if self._faults.get(base) != why:
            self._faults[base] = why
            self._log.warning(
                "watch.failed", directory=os.fsdecode(base), error=why, hint="the scan each second finds the changes"
            )

    def note(self, path: bytes) -> None:
        """Called in the observer's thread. A path that is noted and not yet taken has woken the engine already."""
        if path not in self._paths:
            self._paths.add(path)
            self._wake()


class _Handler:
    """Called in the observer's thread: notes the path, and nothing else. An exception here would end that thread; it is
    noticed by ``check`` then."""

    def __init__(self, hints: Hints, real: bytes, base: bytes) -> None:
        self._hints, self._real, self._base = hints, real, base

    def dispatch(self, event: Any) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                where = os.fsencode(path)
                if self._real != self._base and where.startswith(self._real):
                    where = self._base + where[len(self._real) :]
                self._hints.note(where)


def _events() -> list[type]:
    """Without a filter our own reading would come back as opened and closed files."""
    from watchdog import events

    return [
        events.FileModifiedEvent,
        events.FileCreatedEvent,
        events.FileMovedEvent,
        events.FileDeletedEvent,
        events.DirCreatedEvent,
        events.DirMovedEvent,
        events.DirDeletedEvent,
    ]
