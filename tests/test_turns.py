"""A test that must be alone waits for those that run, and those that come later wait for it."""

from __future__ import annotations

import threading
from pathlib import Path

from .turns import turn
from .waiting import until


class Runner(threading.Thread):
    """One test, which ends when it is told to."""

    def __init__(self, directory: Path, *, alone: bool) -> None:
        super().__init__(daemon=True)
        self._directory, self._alone = directory, alone
        self.runs, self.may_end = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with turn(alone=self._alone, door=self._directory / "door", room=self._directory / "room"):
            self.runs.set()
            self.may_end.wait()

    def end(self) -> None:
        self.may_end.set()
        self.join()


def test_a_test_is_alone_and_nobody_slips_in_before_it(tmp_path: Path) -> None:
    (tmp_path / "door").touch()
    (tmp_path / "room").touch()
    first, second = Runner(tmp_path, alone=False), Runner(tmp_path, alone=False)
    until(lambda: first.runs.is_set() and second.runs.is_set(), "two run together")
    lonely = Runner(tmp_path, alone=True)
    first.end()
    assert not lonely.runs.wait(0.05)
    late = Runner(tmp_path, alone=False)
    assert not late.runs.wait(0.05), "it waits behind the one that must be alone"
    second.end()
    assert lonely.runs.wait(60)
    assert not late.runs.wait(0.05)
    lonely.end()
    assert late.runs.wait(60)
    late.end()
