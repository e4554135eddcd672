"""The whole pipeline in this process, wired by ``Daemon`` itself, and driven step by step.

Source, ring, chain, sinks, commit and state are the real ones on real files. Only what would wait, be chance or touch
the process as a whole is replaced: threads, clocks, the watcher, the time budget's signal.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.config.load import load
from tailrace.pipeline.run.daemon import Daemon
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.reload import Reload
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source.tail.tail import Tail
from tailrace.pipeline.stage import Closes
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.testing.doubles import FakeClock

from ..configuration import Table, configuration, to_file
from ..engine.engine_kit import Log
from ..inside import adjust
from .stepped import Select, Stepped, SteppedSink

BULK = "a line makes four times its length, so that a slot's output may be full before its input is done"
STAGES: tuple[str | Table, ...] = (
    "parse.json",
    {"use": "enrich.origin", "host": ""},
    "tests.model.model_stages:fussy",
    {"use": "enrich.filter", "drop": "do == 'drop'"},
    {"use": "enrich.set", "values": {"bulk": BULK}},
    to_file(),
    to_file("out/by/{source}.ndjson", when="both"),
)
CHUNK = 2048  # bytes; a slot's output has room for four times as much
MAX_LINE = 512
COMMIT_BYTES = 4096
RESTLESS = 400  # steps in a second; what there is to be done takes fifty


class NoBudget:
    """In place of the time budget, which needs a signal, and that the main thread."""

    stage = 0

    def __init__(self, *_: object) -> None: ...
    def watch(self) -> None: ...
    def rest(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Watcher:
    """In place of ``Hints``: told by the test."""

    def __init__(self, _bases: object, wake: Any, _log: object) -> None:
        self.wake = wake
        self.paths: set[bytes] = set()

    def start(self) -> None: ...
    def check(self) -> None: ...
    def stop(self) -> None: ...

    def take(self) -> set[bytes]:
        taken, self.paths = self.paths, set()
        return taken


@dataclass
class Plant:
    """``home`` holds outputs and state, ``logs`` the log files. ``few``: the tailer may have two files open.
    ``watched``: it is told of what happens to files, and does not only see it when it looks."""

    home: Path
    logs: Path
    few: bool = False
    watched: bool = True
    clock: FakeClock = field(default_factory=FakeClock)
    stalled: set[int] = field(default_factory=set)  # sinks that get no turn
    slow: set[int] = field(default_factory=set)  # sinks that get one turn for each of the engine's
    faults: list[tuple[str, str]] = field(default_factory=list)  # (operation, part of its path): fails once
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        source = {"paths": [f"{self.logs}/*.log*"]}
        text = configuration(*STAGES, source=source, commit_interval="1s", shutdown_timeout="20s")
        (self.home / "config.toml").write_text(text)
        config = load(self.home / "config.toml")
        self.config: Config = replace(
            config,
            pipeline=replace(config.pipeline, chunk_bytes=CHUNK, commit_bytes=COMMIT_BYTES),
            source=replace(config.source, max_line_bytes=MAX_LINE),
        )
        self._main: Stepped | None = None
        self.engine: Engine | None = None
        self.outcome: Outcome | None = None
        self.taken: set[bytes] = set()  # the lines that were handed out by this process
        self.rewinds = 0  # how often the source was told to go back
        self.unknown: set[int] = set()  # inodes of files that had no file id when the source was exchanged
        self.coming = self.config
        self._daemon: Daemon | None = None
        self._reload: Reload | None = None
        self._source: Tail | None = None
        self._turned = False
        self._watcher: Watcher | None = None
        self._patches = pytest.MonkeyPatch()
        adjust(
            self._patches.setattr,
            engine_clock=self.clock,
            engine_select=Select,
            sink_thread=partial(SteppedSink, self.clock),
            source_time=SimpleNamespace(monotonic=self.clock),
            settle_memory=lambda: None,
            raise_file_limit=lambda: None,
            time_budget=NoBudget,
            watcher=self._watched,
            before_disk=self._before,
        )
        if self.few:
            adjust(self._patches.setattr, allowance=lambda: 2)

    def close(self) -> None:
        self.kill()
        self._patches.undo()

    # The process's life.

    @property
    def up(self) -> bool:
        """The process is there (and past its first moments: the source is open)."""
        return self._main is not None

    def start(self, *, until_eof: bool = False) -> None:
        self._main = Stepped("engine", partial(self._live, until_eof), self.clock)
        self.engine = self.outcome = None
        self._turned = False
        self.taken = set()
        self._main.start()

    def _live(self, until_eof: bool) -> None:
        counters = Counters()
        self._reload = None if until_eof else Reload(lambda: self.coming, self.log, counters)
        self._daemon = Daemon(
            self.config,
            log=self.log,
            counters=counters,
            until_eof=until_eof,
            configure=self._configured,
            on_turn=self._on_turn,
            reload=self._reload,
        )
        self.outcome = self._daemon.run()

    def reload(self, *, source: bool) -> None:
        """Ask for the same configuration, or for one with another source."""
        assert self._reload is not None
        if source:
            settings = self.coming.tail
            other = replace(settings, exclude=() if settings.exclude else ("nothing",))
            self.coming = replace(self.coming, source=other)
        self._reload.ask()

    @property
    def ends(self) -> bool:
        """It reads to the end of what there is."""
        return self._reload is None

    @property
    def changing(self) -> bool:
        """One run is to end, or the next has not begun."""
        daemon, reload = self._daemon, self._reload
        return bool(daemon and reload and (reload._asked or daemon._next or daemon._before))

    def _configured(self, engine: Engine) -> None:
        self.engine = engine
        self._turned = False
        source: Any = engine._source
        if source is self._source:
            return
        self._source = source
        read = source.read

        def noted(buffer: memoryview, *arguments: Any) -> Chunk | None:
            chunk: Chunk | None = read(buffer, *arguments)
            if chunk is not None:
                self.taken |= set(bytes(buffer[: chunk.length]).split(b"\n"))
            return chunk

        rewind = source.rewind

        def rewound() -> None:
            self.taken = set()
            self.rewinds += 1
            rewind()

        hand_over = source.hand_over

        def handed_over() -> dict[int, int]:
            files = source._registry.living.values()
            self.unknown |= {file.inode for file in files if not file.file_id}
            kept: dict[int, int] = hand_over()
            return kept

        source.read, source.rewind, source.hand_over = noted, rewound, handed_over

    def _watched(self, *arguments: Any) -> Watcher:
        self._watcher = Watcher(*arguments)
        return self._watcher

    def stop(self) -> bool:
        """As asked by a signal; True: everything that was read is committed."""
        assert self._daemon is not None
        self._daemon.stop()
        return self.end()

    def end(self) -> bool:
        """Until it ends by itself."""
        assert self._main is not None
        self.run(1000.0)
        assert self._main.over, "it does not end"
        self._bury()
        assert self.outcome is not None
        return self.outcome.complete

    def kill(self) -> None:
        """The process is gone between two instructions: what is on the disk stays as it is."""
        if self._main is None:
            return
        state = self.home / "state"
        left = {path: path.read_bytes() for path in state.iterdir()} if state.exists() else {}
        for sink in self.sinks:
            sink.steps.kill()
            close(sink.write)
        self._main.kill()  # it closes what it has open, and with it the state: that never happened
        for path in state.iterdir() if state.exists() else ():
            path.unlink()
        for path, data in left.items():
            if not path.name.endswith("-shm"):  # memory that it shared with nobody
                path.write_bytes(data)
        self._bury()

    def _bury(self) -> None:
        main, self._main = self._main, None
        assert main is not None
        for sink in self.sinks:
            if sink.steps.is_alive():  # it hung
                sink.steps.kill()
                close(sink.write)
        if self.engine is not None:
            os.close(self.engine._waker.fd)
            os.close(self.engine._waker._write)
        self.engine = self._watcher = self._daemon = self._reload = self._source = None
        self.taken = set()
        if main.failure is not None:
            raise main.failure

    # Steps.

    @property
    def sinks(self) -> list[SteppedSink]:
        sinks: Any = self.engine._crew.threads if self.engine is not None else []
        return list(sinks)

    def step(self) -> bool:
        """One turn of the engine, and those that its sinks may have; False: all are waiting for something."""
        assert self._main is not None
        moved = self._main.turn()
        for number, sink in enumerate(self.sinks):
            while number not in self.stalled and sink.steps.turn():
                moved = True
                if number in self.slow:
                    break
        return moved

    def sink_turn(self, number: int) -> bool:
        sinks = self.sinks
        return bool(sinks) and sinks[number].steps.turn()

    def run(self, seconds: float = 0.0) -> None:
        """Until so much time has passed, or it has ended; 0: until all are waiting."""
        assert self._main is not None
        until, steps = self.clock() + seconds, 0
        while not self._main.over:
            if self.step():
                steps += 1
                assert steps < RESTLESS * (1 + seconds), "it hardly rests"
                continue
            if self.clock() >= until:
                return
            threads = [self._main, *(sink.steps for n, sink in enumerate(self.sinks) if n not in self.stalled)]
            self.clock.now = min(until, *(thread.deadline for thread in threads if thread.is_alive()))

    def _on_turn(self, _now: float) -> None:
        self._turned = True
        me = Stepped.here()
        assert me is not None
        me.pause()

    def _before(self, operation: str, path: str) -> None:
        """Ahead of each change of what is durable, in the thread that makes it."""
        me = Stepped.here()
        if me is None:
            return
        me.pause()  # it may die here
        for fault in self.faults:
            if self._turned and fault[0] == operation and fault[1] in path:
                self.faults.remove(fault)
                if operation == "commit":
                    raise sqlite3.OperationalError("disk I/O error (of the model)")
                raise OSError(5, "input/output error (of the model)", path)

    # What a test may look at.

    @property
    def tail(self) -> Tail | None:
        if self.engine is None:
            return None
        assert isinstance(self.engine._source, Tail)
        return self.engine._source

    def hint(self, path: Path) -> None:
        """The system says that something happened there."""
        if self._watcher is not None and self.watched:
            self._watcher.paths.add(os.fsencode(path))
            self._watcher.wake()


def close(sink: Any) -> None:
    if isinstance(sink, Closes):
        sink.close()
