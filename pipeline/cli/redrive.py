"""``tailrace dlq redrive``: dead letters through the present chain again, in the running daemon or without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tailrace.pipeline.cli.screen.figures import plural
from tailrace.pipeline.cli.screen.table import Table, show
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape

if TYPE_CHECKING:
    from rich.progress import Progress
    from tailrace.pipeline.run.engine import Engine
    from tailrace.pipeline.settings import Config
    from tailrace.pipeline.state.letters import Filter, Letters
    from tailrace.pipeline.status.client import Client

_ASK_EVERY = 0.2  # seconds
_PATIENCE = 5.0  # seconds without a letter that is done


def older(config: Config, dry: bool) -> str:
    """A word of warning where a daemon runs with another configuration than the one on the disk; else empty."""
    from tailrace.pipeline.status.client import SOON, Client

    try:
        running = Client(config.pipeline.state_dir).get("/api/status", SOON)["config_digest"]
    except (TailraceError, KeyError):  # there is none, or what it does will tell
        return ""
    if running == config.digest:
        return ""
    used = "this shows what the one on the disk would do" if dry else "that is what they go through"
    return f"the daemon runs with another configuration than the one on the disk, and {used}; a reload comes first"


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
        waits = _Waits(client)
        while progress["running"]:
            shown(progress)
            time.sleep(_ASK_EVERY)
            progress = client.get(f"/api/redrive/{progress['number']}")
            waits.look(progress["done"], time.monotonic())
    except KeyboardInterrupt:
        raise TailraceError(
            f"the daemon goes on with it: {progress['done']:,} of {progress['total']:,} letters are done; "
            "`tailrace status` shows how far it is"
        ) from None
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
    text = f"{plural(progress['total'], 'dead letter')}: {progress['written']:,} {done}, {progress['failed']:,} {again}"
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


class _Waits:
    """Says what keeps the daemon from going on, once for each reason."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._done = -1
        self._since = 0.0
        self._said = ""

    def look(self, done: int, now: float) -> None:
        """``done``: letters; ``now``: monotonic seconds."""
        if done != self._done:
            self._done, self._since = done, now
        elif now - self._since >= _PATIENCE:
            self._since = now
            down = [one["id"] for one in self._client.get("/api/status")["sinks"] if one["up"] is False]
            what = f"waiting for sink {', '.join(down)}: see `tailrace status`" if down else ""
            if what and what != self._said:
                print(escape(what), file=sys.stderr)
            self._said = what
