"""What a run is given: what others have before and after it, and what its loop needs of the configuration."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.pipeline.run.accounting import Omitting
from tailrace.pipeline.run.commit import Store
from tailrace.pipeline.run.waker import Waker
from tailrace.pipeline.source import Source
from tailrace.pipeline.source.redrive import Fetch, Job
from tailrace.pipeline.telemetry.counters import Counters, Key
from tailrace.pipeline.telemetry.snapshot import Snapshot


@dataclass(slots=True)
class Settings:
    """Of the configuration, and of the command."""

    commit_interval: float
    commit_bytes: int
    shutdown_timeout: float
    until_eof: bool = False  # a run that is to end: it waits for nobody to make room
    give_up: float | None = None  # of such a run: seconds that sinks may take nothing
    omitting: Omitting | None = None
    redrive_only: bool = False  # nothing is read of the source, and the end is when all letters are done


@dataclass(slots=True, frozen=True)
class Lent:
    source: Source
    store: Store
    counters: Counters
    durable: dict[Key, float]  # what earlier processes counted
    log: Any
    waker: Waker
    outputs: set[str]  # paths of outputs, which are no source; a sink that begins another file adds to them
    fetch: Fetch = lambda *_: ()  # dead letters, to be sent through the chain again
    jobs: deque[Job] = field(default_factory=deque)  # which of them
    publish: Callable[[Snapshot], None] = lambda _: None  # told each snapshot
    tapped: Callable[[Sequence[Any]], None] = lambda _: None  # told what was sampled for those who look at events
    state: str = "replay"  # what the ids of what stages sum up begin with
    last_letter: Callable[[], int | None] = lambda: None  # the number of the newest dead letter
    down: dict[str, float] = field(default_factory=dict)  # since when sinks cannot write
