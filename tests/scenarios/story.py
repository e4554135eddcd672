"""One combination of conditions as a story with a real daemon: a file grows, the sink gets into trouble, the file grows
by more than the ring holds, it is rotated, the daemon is crashed and restarted, the trouble ends.

What came out must be what an uninterrupted run writes. Only of files that were deleted while nobody could read them may
the ends be missing, and what was known of those must be counted. A file to which a link led only while nobody looked
may be missing altogether.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from pathlib import Path

from .conditions import Combination
from .daemon import Daemon
from .rotated_log import RotatedLog

CONFIG = """
[pipeline]
state_dir = "state"
workers = {workers}
commit_interval = "30ms"
chunk_bytes = "64KiB"
shutdown_timeout = "300ms"
[source]
paths = ["logs/app.log*"]
exclude = ["logs/*.gz"]
max_line_bytes = "4KiB"
close_after = "200ms"
[[stages]]
use = "parse.json"
[[stages]]
use = "trouble:nothing"
{stage}
[[stages]]
use = "write.file"
path = "out/{{gen}}.ndjson"
"""
CHANGED = """
[[stages]]
use = "enrich.set"
values = { config = 2 }
"""
TROUBLE = '''"""Imported by the daemon as a stage that does nothing: it is here for what it does to writing outputs."""

import errno
import os
import pathlib
import random
import sys
import time

from tailrace.pipeline import disk

sys.path.append(os.getcwd())  # of the daemon and its workers: the repository
from tests.inside import adjust

HERE = pathlib.Path(__file__).parent
adjust(setattr, first_backoff=0.02, longest_backoff=0.1, first_rewind=0.05, longest_rewind=0.05)
_write, _sync = disk.write, disk.sync
_chance = random.Random((HERE / "seed").read_text())


def nothing(event):
    return event


def trouble():
    return (HERE / "trouble").read_text()


def met():
    (HERE / "met").touch()


def write(descriptor, data, offset, path):
    now = trouble() if path.endswith(".ndjson") else "ok"
    if now == "blocked":
        met()
        while trouble() == now:
            time.sleep(0.005)
    elif now == "errors" and _chance.random() < 0.5:
        _write(descriptor, data[: _chance.randrange(len(data) + 1)], offset, path)
        met()
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    elif now.startswith("full"):
        data = data[: max(0, int(now.split()[1]) - offset)]
        if not data:
            met()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    return _write(descriptor, data, offset, path)


def sync(descriptor, path):
    if path.endswith(".ndjson") and trouble() == "errors" and _chance.random() < 0.5:
        met()
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    _sync(descriptor, path)


disk.write, disk.sync = write, sync
'''
BEFORE, DURING, AFTER = 100, 1800, 100  # lines: before the trouble; in it, more than the ring holds; at the end
PATIENCE = 20.0  # seconds


class Story:
    """One combination, in a directory of its own."""

    def __init__(self, home: Path, combination: Combination) -> None:
        self.it = combination
        self._seed = str(combination)
        (home / "seed").write_text(self._seed)
        (home / "trouble.py").write_text(TROUBLE)
        self._home = home
        self._set_trouble("ok")
        workers = 2 if combination.crash == "kill worker" or combination.sink == "ok" else 0
        self.daemon = Daemon(home, CONFIG.format(workers=workers, stage=""))
        self.log = RotatedLog(self.daemon.logs, combination.rotation)
        self.may_lose = False  # files may have been deleted while nobody could read them
        self.must_count = 0  # bytes of theirs that the state knows of

    def run(self) -> None:
        try:
            self._run()
        finally:
            self.log.close()
            if self.daemon.process is not None:
                self.daemon.kill_group()

    def _run(self) -> None:
        it, daemon, log = self.it, self.daemon, self.log
        log.append(BEFORE)
        daemon.start()
        daemon.until(lambda: daemon.committed() > 0, "the first lines are committed")
        self._set_trouble(f"full {len(daemon.text('g1.ndjson')) + 100_000}" if it.sink == "full" else it.sink)
        log.append(DURING, half=it.reader == "half line")
        if it.sink != "ok":
            daemon.until((self._home / "met").exists, "the sink is in trouble", PATIENCE)
        log.rotate()
        if it.rotation != "none":
            log.append(AFTER)
        self._crash()
        if not daemon.running and it.restart == "none":
            self._check_what_is_committed()
            return
        if it.restart != "none":
            self._restart()
        self._set_trouble("ok")
        log.end_line()
        log.append(AFTER)
        daemon.until(self._all_is_there, "all that was written is there", PATIENCE)
        assert daemon.stop() == 0, daemon.stderr()
        self._check()

    def _set_trouble(self, trouble: str) -> None:
        new = self._home / "trouble.new"
        new.write_text(trouble)
        new.replace(self._home / "trouble")

    def _crash(self) -> None:
        daemon = self.daemon
        match self.it.crash:
            case "SIGTERM":
                assert daemon.stop() == 0 or "shutdown_timeout" in daemon.stderr().splitlines()[-1], daemon.stderr()
                self.may_lose = True
            case "kill daemon":
                daemon.kill_parent()
                self.may_lose = True
            case "kill worker":
                daemon.until(lambda: len(daemon.children()) == 2, "both workers are there")
                victim = daemon.children()[0]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                daemon.until(lambda: victim not in daemon.children(), "the worker is dead")

    def _restart(self) -> None:
        daemon = self.daemon
        if daemon.running:
            daemon.stop()
            self.may_lose = True
        if self.it.restart == "after more rotation":
            self.log.rotate()
            if self.it.rotation == "none":
                self.log.end_line()
            self.log.append(AFTER)
        elif self.it.restart == "changed configuration":
            daemon.config.write_text(CONFIG.format(workers=1, stage=CHANGED).replace("64KiB", "96KiB"))
        self.must_count = self._known_and_gone()
        daemon.start()

    def _known_and_gone(self) -> int:
        """Bytes that the state knows of, that are not committed, and whose files are not there any more."""
        there = {path.stat().st_ino for path in self.daemon.logs.iterdir()}
        rows = self.daemon.query("SELECT inode, size - offset FROM files WHERE path != ''")
        return sum(pending for inode, pending in rows if inode not in there)

    # What must be there.

    def _expected(self) -> dict[str, bytes]:
        """By output."""
        return {
            f"{name}.ndjson": b"".join(line for line in lines if line.startswith(b"{"))
            for name, lines in self.log.written.items()
        }

    def _expected_dead(self) -> list[bytes]:
        lines = itertools.chain.from_iterable(self.log.written.values())
        return sorted([line.rstrip(b"\n") for line in lines if not line.startswith(b"{")] + self.log.stray)

    def _found(self, name: str) -> bytes:
        """An output, without what the changed configuration adds."""
        return self.daemon.text(name).replace(b',"config":2}', b"}")

    def _lossy(self) -> set[str]:
        """Outputs that may lack their ends, or be missing."""
        return {f"{name}.ndjson" for name in (*self.log.deleted, *self.log.hidden)} if self.may_lose else set()

    def _all_is_there(self) -> bool:
        lossy = self._lossy()
        expected = self._expected()
        there = all(len(self._found(name)) >= len(text) for name, text in expected.items() if name not in lossy)
        return there and self._pending() == self.log.stranded

    def _pending(self) -> int:
        ((pending,),) = self.daemon.query("SELECT TOTAL(size - offset) FROM files")
        return int(pending)

    def _check(self) -> None:
        """Outputs and dead letters are those of an uninterrupted run; where files were deleted, up to what was lost."""
        lossy = self._lossy()
        expected = self._expected()
        assert sum(map(len, expected.values())) > 300_000, "there was something to be done"
        outputs = {path.name for path in self.daemon.out.iterdir()}
        aside = {name for name in outputs if ".aside-" in name}  # of what is gone, and could not be read again
        assert not aside or lossy or self.it.rotation == "rename and gzip"
        for name in aside:
            output, _, start = name.partition(".aside-")
            assert expected[output][int(start) :].startswith(self._found(name)), (
                f"{name}: other lines than were written"
            )
        assert outputs - aside <= set(expected)
        missing = sum(len(line) for lines in self.log.written.values() for line in lines)
        for name, text in expected.items():
            found = self._found(name)
            changed = [b'"config":2}' in line for line in self.daemon.text(name).splitlines()]
            assert changed == sorted(changed), f"{name}: the old configuration was used again"
            if name in lossy:
                assert text.startswith(found), f"{name}: other lines than were written, or another order"
                assert found in (b"", text) or not self.log.hidden, f"{name}: {len(found)} bytes, expected {len(text)}"
            else:
                assert found == text, f"{name}: {len(found)} bytes, expected {len(text)}"
            missing -= len(found)
        dead = [raw for _, _, raw in self.daemon.dead_letters()]
        missing -= sum(len(raw) + 1 for raw in dead)
        lost = sum(self.daemon.counters("bytes_unread").values()) - sum(self.daemon.counters("bytes_found").values())
        assert len(set(dead)) == len(dead)
        if lossy:
            assert set(dead) <= set(self._expected_dead())
            assert self.must_count <= lost <= missing, f"{lost} bytes lost, {missing} are missing"
        else:
            assert dead == self._expected_dead()
            assert lost == 0

    def _check_what_is_committed(self) -> None:
        """The daemon is dead and stays so: what it committed is there, each line once and in order."""
        self.daemon.check_books()
        marks = [json.loads(mark) for (mark,) in self.daemon.query("SELECT mark FROM marks")]
        lengths = {Path(mark["path"]).name: mark["length"] for mark in marks}
        written = 0
        for name, text in self._expected().items():
            committed = self._found(name)[: lengths.get(name, 0)]
            assert len(committed) == lengths.get(name, 0), f"{name} is shorter than was committed"
            assert text.startswith(committed)
            written += len(committed)
        dead = sum(len(raw) + 1 for _, _, raw in self.daemon.dead_letters())
        books = [json.loads(text) for (text,) in self.daemon.query("SELECT ledger FROM files WHERE path != ''")]
        assert written == sum(book["acknowledged"] for book in books) > BEFORE * 100, "what is done is written"
        assert dead == sum(book["dead_lettered"] for book in books)
