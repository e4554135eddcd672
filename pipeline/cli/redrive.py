"""``tailrace dlq redrive``: dead letters through the present chain again, in the running daemon or without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape

if TYPE_CHECKING:
    from rich.progress import Progress
    from tailrace.pipeline.run.engine import Engine
    from tailrace.pipeline.settings import Config
    from tailrace.pipeline.state.letters import Filter, Letters

_ASK_EVERY = 0.2  # seconds


def redrive(config: Config, wanted: Filter) -> Mapping[str, Any]:
    """What came of them; see ``Job.progress``. TailraceError: it was not brought to its end, and why."""
    from tailrace.pipeline.state.lock import holder
    from tailrace.pipeline.status.client import Client

    with _Shown() as shown:
        if process := holder(config.pipeline.state_dir):
            return _by_the_daemon(Client(config.pipeline.state_dir, process), wanted, shown)
        return _alone(config, wanted, shown)


def _by_the_daemon(client: Any, wanted: Filter, shown: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
    from tailrace.pipeline.status.api import filter_body

    progress = client.post("/api/dead_letters/redrive", filter_body(wanted))
    try:
        while progress["running"]:
            shown(progress)
            time.sleep(_ASK_EVERY)
            progress = client.get(f"/api/redrive/{progress['number']}")
    except TailraceError as error:
        raise TailraceError(
            f"{error}; {progress['done']:,} of {progress['total']:,} letters were done when it was last heard of. Each "
            "is done once, whenever this is run again"
        ) from error
    return dict(progress)


def _alone(config: Config, wanted: Filter, shown: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
    from tailrace.pipeline.cli.outcome import exit_code
    from tailrace.pipeline.cli.run import check_writes
    from tailrace.pipeline.cli.signals import Signals
    from tailrace.pipeline.run.daemon import Daemon
    from tailrace.pipeline.telemetry import log
    from tailrace.pipeline.telemetry.counters import Counters

    check_writes(config)  # else they would be gone, and nowhere
    signals = Signals()
    log.configure(config.log)
    logger = log.get_logger("redrive")
    progress: Mapping[str, Any] = {}

    def on_turn(_: float) -> None:
        nonlocal progress
        signals.tick(logger)
        progress = daemon.redriven() or {}
        shown(progress)

    def connect(_: Engine) -> None:
        signals.connect(daemon.stop)

    daemon = Daemon(
        config, log=logger, counters=Counters(), configure=connect, on_turn=on_turn, redrive=wanted
    )  # fmt: skip
    try:
        exit_code(daemon.run(), strict=False)
    finally:
        log.flush()
    progress = daemon.redriven() or {}
    if progress.get("running"):
        raise TailraceError(f"stopped; {progress['done']:,} of {progress['total']:,} letters are done, the others stay")
    return progress


def dry_run(config: Config, letters: Letters, wanted: Filter) -> Mapping[str, Any]:
    """What would come out, on standard output; and what would come of them."""
    from tailrace.pipeline.cli.signals import Signals
    from tailrace.pipeline.run.dry import run_dry
    from tailrace.pipeline.telemetry import log

    signals = Signals()
    log.configure(config.log)
    logger = log.get_logger("redrive")
    dry = run_dry(config, letters, wanted, log=logger, configure=lambda engine: signals.connect(engine.stop))
    if dry.failed:
        kinds = sorted(dry.failed, key=lambda kind: (kind.stage, kind.error))
        rows: list[Sequence[str]] = [(kind.stage, kind.error, f"{kind.count:,}", kind.why) for kind in kinds]
        show(
            Table(("stage", "error", "letters", "why"), rows, "would fail again", frozenset({"letters"}), gives="why"),
            sys.stderr,
        )
    if dry.message and not dry.closed:
        logger.error("redrive.stopped", why=dry.message)
    log.flush()
    return dry.job.progress()


def in_words(progress: Mapping[str, Any], *, would: bool = False) -> str:
    """A sentence."""
    done, again = ("would come through", "would fail again") if would else ("came through", "failed again")
    letters = "dead letter" if progress["total"] == 1 else "dead letters"
    text = f"{progress['total']:,} {letters}: {progress['written']:,} {done}, {progress['failed']:,} {again}"
    left = "; ".join(f"{count:,}: {escape(why)}" for why, count in progress["reasons"].items())
    return text + (f"; not sent: {left}" if left else "")


class _Shown:
    """How far it is, on a terminal."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __enter__(self) -> _Shown:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("re-driving"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
            self._progress.add_task("", total=None)
            self._progress.start()
        return self

    def __call__(self, progress: Mapping[str, Any]) -> None:
        if self._progress is not None and progress:
            self._progress.update(
                self._progress.task_ids[0], completed=progress["done"], total=progress["total"], refresh=True
            )

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
