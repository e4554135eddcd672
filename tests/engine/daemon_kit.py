"""A daemon in this process, whose configuration changes while it runs: a story says what happens next, and when.

A story is a generator: it yields what must come true before it goes on, and the daemon is stopped when it is over.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.run.daemon import Daemon
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.run.reload import Reload
from tailrace.pipeline.telemetry.counters import Counters

from ..configuration import Table, configuration
from .engine_kit import Log

SOURCE: Table = {"paths": ["logs/*.log"], "close_after": "50ms"}
configured = partial(configuration, "parse.json", commit_interval="10ms", chunk_bytes="64KiB", source=SOURCE)
MARK = 'VERSION = {}\n\n\ndef mark(event):\n    event["version"] = VERSION\n    return event\n'
Story = Generator[Callable[[], object], None, None]
DEADLINE = 30.0  # seconds until the story is over


class Address:
    """A status server that only knows where it listens; ``taken``: addresses that cannot be had."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.taken: set[str | None] = set()

    def start(self, address: str | None) -> None:
        self.listen(address)

    def listen(self, address: str | None) -> None:
        if address in self.taken:
            raise TailraceError(f"{address} is taken")
        self.address = address

    def close(self) -> None: ...


class Told:
    """``home`` holds the configuration, logs, outputs and state."""

    def __init__(self, home: Path, text: str, own: str | None = None) -> None:
        """``own``: the text of a module of that name beside the configuration."""
        self.home = home
        self.logs = home / "logs"
        self.out = home / "out"
        self.config = home / "config.toml"
        self.logs.mkdir()
        self.config.write_text(text)
        if own is not None:
            self.module(own)
        self.log, self.counters, self.server = Log(), Counters(), Address()
        self.reloads = Reload(lambda: load(self.config), self.log, self.counters)
        self.daemon = Daemon(
            load(self.config), log=self.log, counters=self.counters, configure=self._connect, on_turn=self._turn,
            reload=self.reloads, server=lambda _board, _actions: self.server,
        )  # fmt: skip
        self.engine: Engine | None = None

    def tell(self, story: Story) -> Outcome:
        """Run until it is over; what the story raises is raised here."""
        self._story, self._condition, self._until = story, next(story), monotonic() + DEADLINE
        self._over = False
        return self.daemon.run()

    def _connect(self, engine: Engine) -> None:
        self.engine = engine

    def _turn(self, _now: float) -> None:
        try:
            while not self._over and self._condition():
                self._condition = next(self._story)
        except StopIteration:
            self._over = True
            self.daemon.stop()
        assert monotonic() < self._until, f"the story does not go on; {self.log.said[-20:]}"

    def add(self, name: str, start: int, stop: int, **more: Any) -> None:
        """Lines with the numbers from ``start`` to ``stop - 1`` to a log file."""
        with (self.logs / name).open("a") as file:
            file.writelines(json.dumps({"n": n, **more}) + "\n" for n in range(start, stop))

    def module(self, text: str, name: str = "own") -> None:
        (self.home / f"{name}.py").write_text(text)

    def change(self, text: str | None = None) -> Callable[[], object]:
        """Ask for another configuration, or for the same; whether it runs."""
        return self._ask(text, "config.reloaded")

    def try_to_change(self, text: str | None = None) -> Callable[[], object]:
        """Likewise; whether it is refused."""
        return self._ask(text, "config.rejected")

    def _ask(self, text: str | None, event: str) -> Callable[[], object]:
        if text is not None:
            self.config.write_text(text)
        count = len(self.log.fields(event))
        self.reloads.ask()
        return lambda: len(self.log.fields(event)) > count

    def said(self, event: str) -> Callable[[], object]:
        return lambda: self.log.fields(event)

    def refusals(self) -> list[str]:
        return [fields["problem"] for fields in self.log.fields("config.rejected") if "problem" in fields]

    def events(self, name: str = "all.ndjson") -> list[dict[str, Any]]:
        path = self.out / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def numbers(self, name: str = "all.ndjson") -> list[Any]:
        return [event["n"] for event in self.events(name)]

    def has(self, count: int, name: str = "all.ndjson") -> Callable[[], object]:
        """Whether the output has so many lines, or more."""
        path = self.out / name
        return lambda: path.exists() and path.read_bytes().count(b"\n") >= count

    def read(self, lines: int) -> Callable[[], object]:
        """Whether so many lines have been read, and are committed."""
        return lambda: self.committed() and self.counters.total("lines_read") >= lines

    def workers(self) -> list[int]:
        """Their process ids."""
        assert self.engine is not None
        return [worker.pid for worker in self.engine._dispatch.workers]

    def has_slot(self) -> bool:
        """Something was read, and is in the ring."""
        assert self.engine is not None
        return not self.engine._dispatch.idle

    def trouble(self) -> dict[str, Any]:
        """What keeps which sink."""
        assert self.engine is not None
        return dict(self.engine._crew.troubles())

    def committed(self) -> bool:
        """Everything that was read is committed."""
        assert self.engine is not None
        look = self.engine._look()
        return not look.lines_pending and not look.bytes_pending and self.engine._dispatch.idle


@contextmanager
def imports_of(home: Path) -> Iterator[None]:
    """What the user's modules there leave in this process is gone afterwards."""
    from tailrace.pipeline.chain import own

    yield
    sys.path[:] = [path for path in sys.path if not path.startswith(str(home))]
    for directory in [name for name in own._places if name.startswith(str(home))]:
        for name, _ in list(own._places.pop(directory).modules()):
            del sys.modules[name]


def blocked(told: Told) -> Story:
    """Nothing is written, until what stands in the way of the output is removed."""
    (told.out / "all.ndjson").mkdir(parents=True)
    yield told.said("sink.retry")
