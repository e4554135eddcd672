"""How far a finite run has come, on a terminal only; where there is none, nothing at all."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from tailrace.pipeline.telemetry.counters import Counters

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_INTERVAL = 0.1  # seconds between two drawings


class Progress:
    """A step: ``tick`` often, ``stop`` before anything else is printed. Silent, and rich not imported, unless standard
    error is a terminal; silent too when data goes to a terminal: the two would overwrite each other."""

    def __init__(
        self,
        counted: Callable[[], Counters],  # what is done: of a daemon, what is committed
        position: Callable[[], tuple[int, int | None]],  # bytes done, bytes in all (None: nobody knows)
        stream: IO[str] | None = None,
        data: IO[str] | None = None,  # where data goes, if it goes to a stream
    ) -> None:
        self._counted = counted
        self._position = position
        self._stream = stream or sys.stderr
        self._wanted = self._stream.isatty() and not (data is not None and data.isatty())
        self._rich: RichProgress | None = None
        self._now = 0.0
        self._drawn = float("-inf")

    def tick(self, now: float) -> None:
        if not self._wanted or now - self._drawn < _INTERVAL:
            return
        self._now = self._drawn = now
        try:
            self._draw()
        except OSError:  # the terminal has gone: nobody sees the bar any more, and the run goes on or is told to stop
            self._wanted = False

    def _draw(self) -> None:
        if self._rich is None:
            self._rich = self._start()
        done, total = self._position()
        counters = self._counted()
        dead = int(counters.total("dead_letters"))
        text = f"{counters.total('lines_read'):,.0f} lines" + (f", {dead:,} dead letters" if dead else "")
        self._rich.update(self._rich.task_ids[0], completed=done, total=total, description=text, refresh=True)

    def stop(self) -> None:
        """Take the bar away; safe to call twice."""
        self._wanted = False
        if self._rich is not None:
            with contextlib.suppress(OSError):  # as above
                self._rich.stop()
            self._rich = None

    def _start(self) -> RichProgress:
        from rich import progress
        from rich.console import Console

        bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(file=self._stream),
            auto_refresh=False,  # no thread: this is a step
            transient=True,
            redirect_stdout=False,  # data goes its own way
            get_time=lambda: self._now,
        )
        bar.add_task("", total=None)
        bar.start()
        return bar
