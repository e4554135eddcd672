"""The sinks under test, each with its target: how it is configured, what arrived there, and how it goes down."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from ..scenarios.daemon import Daemon
from ..servers.http import CUT, LOST, Reply, Request, Server, refuses

BAD = 250  # the number that a target which refuses something refuses
PART = 500  # events that go into one file

HEAD = """
[pipeline]
state_dir = "state"
workers = {workers}
commit_interval = "50ms"
chunk_bytes = "64KiB"
[source]
use = "tail"
paths = ["logs/app.log*"]
close_after = "200ms"
[[stages]]
use = "parse.json"
"""

SIMPLE = """
import sqlite3
from contextlib import closing
from dataclasses import dataclass

@dataclass
class Rows:
    path: str
    def write(self, events):
        with closing(sqlite3.connect(self.path, timeout=0.1)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, n)")
            rows = [(event["event_id"], event["n"]) for event in events]
            db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?)", rows)

@dataclass
class Choosy(Rows):
    def write(self, events):
        if any(event["n"] == 250 for event in events):
            raise ValueError("no 250 here")
        super().write(events)

def spoil(event):
    if event["n"] == 250:
        event["spoilt"] = object()
    return event
"""


class Target:
    """``once``: each event is there once, whatever happens; else at least once."""

    once = True
    letter = "rejected"  # of the bad record: its code, and words that stand in the reason
    words = ""
    refuses_at_delivery = True

    def __init__(self, home: Path, *, choosy: bool = False) -> None:
        """``choosy``: the record ``BAD`` cannot be taken."""
        self.home, self.choosy = home, choosy
        home.mkdir()

    def stages(self) -> str:
        raise NotImplementedError

    def config(self, workers: int = 1) -> str:
        return HEAD.format(workers=workers) + self.stages()

    def start(self, daemon: Daemon, *arguments: str) -> None:
        (daemon.home / "own.py").write_text(SIMPLE)
        daemon.start(*arguments)

    def disturb(self, rng: random.Random) -> None:
        """From now on, what can get lost on the way sometimes does."""

    def counts(self) -> Counter[Any]:
        """How often each number has arrived."""
        raise NotImplementedError

    def down(self) -> None:
        raise NotImplementedError

    def up(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class ToFiles(Target):
    """Files of ``PART`` events each; down is where directories have the names of the next ones."""

    words = "spoilt"
    refuses_at_delivery = False

    def stages(self) -> str:
        spoil = '[[stages]]\nuse = "own:spoil"\n' if self.choosy else ""
        return f"""{spoil}
[[stages]]
use = "enrich.set"
expr = {{ part = "str(n // {PART})" }}
[[stages]]
use = "write.file"
path = "{self.home}/{{part}}.ndjson"
"""

    def counts(self) -> Counter[Any]:
        data = b"".join(path.read_bytes() for path in self.home.iterdir() if path.is_file())
        return Counter(orjson.loads(line)["n"] for line in data.split(b"\n")[:-1])

    def down(self) -> None:
        for number in range(400):
            with contextlib.suppress(FileExistsError):
                (self.home / f"{number}.ndjson").mkdir()

    def up(self) -> None:
        """The last ones first: when the one that is waited for is gone, all are."""
        for number in reversed(range(400)):
            with contextlib.suppress(NotADirectoryError):
                (self.home / f"{number}.ndjson").rmdir()


class ToStdout(Target):
    """A pipe for each life of the daemon, read by a thread; down is where nobody reads."""

    once = False
    words = "spoilt"
    refuses_at_delivery = False

    def __init__(self, home: Path, *, choosy: bool = False) -> None:
        super().__init__(home, choosy=choosy)
        self._reading = threading.Event()
        self._reading.set()
        self._lives: list[bytearray] = []
        self._threads: list[threading.Thread] = []

    def stages(self) -> str:
        spoil = '[[stages]]\nuse = "own:spoil"\n' if self.choosy else ""
        return f'{spoil}[[stages]]\nuse = "write.stdout"\n'

    def start(self, daemon: Daemon, *arguments: str) -> None:
        (daemon.home / "own.py").write_text(SIMPLE)
        reading, writing = os.pipe()
        daemon.start(*arguments, stdout=writing)
        os.close(writing)
        self._lives.append(bytearray())
        self._threads.append(threading.Thread(target=self._read, args=(reading, self._lives[-1])))
        self._threads[-1].start()

    def _read(self, pipe: int, life: bytearray) -> None:
        while self._reading.wait() and (data := os.read(pipe, 1 << 16)):
            life += data
        os.close(pipe)

    def counts(self) -> Counter[Any]:
        """What a process had not written to the end when it was killed is no line."""
        return Counter(orjson.loads(line)["n"] for life in self._lives for line in bytes(life).split(b"\n")[:-1])

    def down(self) -> None:
        self._reading.clear()

    def up(self) -> None:
        self._reading.set()

    def close(self) -> None:
        self.up()
        for thread in self._threads:
            thread.join()


class ToSqlite(Target):
    """A table; down is a file that somebody else has locked."""

    words = "CHECK constraint failed"
    number = "json_extract(event, '$.n')"

    def __init__(self, home: Path, *, choosy: bool = False) -> None:
        super().__init__(home, choosy=choosy)
        self.path = home / "logs.sqlite"
        self._lock: sqlite3.Connection | None = None
        if choosy:
            with contextlib.closing(sqlite3.connect(self.path)) as database:
                database.execute(f"CREATE TABLE events (event_id TEXT PRIMARY KEY, n CHECK (n != {BAD}))")
            self.number = "n"

    def stages(self) -> str:
        columns = 'columns = ["n"]' if self.choosy else ""
        return f"""
[[stages]]
use = "write.sqlite"
path = "{self.path}"
busy_timeout = "100ms"
retry = {{ initial_backoff = "20ms", max_backoff = "200ms" }}
{columns}
"""

    def counts(self) -> Counter[Any]:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as database:
                return Counter(n for (n,) in database.execute(f"SELECT {self.number} FROM events"))  # noqa: S608
        except sqlite3.OperationalError:  # not made yet
            return Counter()

    def down(self) -> None:
        self._lock = sqlite3.connect(self.path, isolation_level=None)
        self._lock.execute("PRAGMA journal_mode = WAL")
        self._lock.execute("BEGIN EXCLUSIVE")

    def up(self) -> None:
        if self._lock is not None:
            self._lock.execute("ROLLBACK")
            self._lock.close()
            self._lock = None

    def close(self) -> None:
        self.up()


class ToSimple(ToSqlite):
    """A sink of one method, eight lines of a user's."""

    words = "no 250 here"
    number = "n"

    def stages(self) -> str:
        return f'[[stages]]\nuse = "own:{"Choosy" if self.choosy else "Rows"}"\npath = "{self.path}"\n'


class ToHttp(Target):
    """A server that loses and cuts answers, and is busy; down is where nobody listens."""

    once = False
    words = "field n: not a number"

    def __init__(self, home: Path, *, choosy: bool = False) -> None:
        super().__init__(home, choosy=choosy)
        self.server = Server()
        if choosy:
            self.server.rules.append(refuses(lambda record: record["n"] == BAD))
        self.server.start()

    def stages(self) -> str:
        return f"""
[[stages]]
use = "write.http"
endpoint = "{self.server.url}"
request = {{ timeout = "2s", concurrency = 2 }}
retry = {{ initial_backoff = "20ms", max_backoff = "200ms" }}
"""

    def disturb(self, rng: random.Random) -> None:
        busy = Reply(503, b"busy", {"Retry-After": "0"})

        def sometimes(_: Request) -> Reply | None:
            return rng.choice([LOST, CUT, busy]) if rng.random() < 0.3 else None

        self.server.rules.append(sometimes)

    def counts(self) -> Counter[Any]:
        return self.server.stored.copy()

    def down(self) -> None:
        self.server.stop()

    def up(self) -> None:
        self.server.start()

    def close(self) -> None:
        self.server.stop()


TARGETS: dict[str, type[Target]] = {
    "write.file": ToFiles,
    "write.stdout": ToStdout,
    "write.sqlite": ToSqlite,
    "write.http": ToHttp,
    "SimpleWrite": ToSimple,
}
