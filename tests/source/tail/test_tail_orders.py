"""Rotation step by step, in every order with what the tailer does meanwhile; positions across the 32-bit borders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .given import Given

Make = Callable[..., Any]
STEPS = ["rename", "create", "late line", "hint old", "hint new", "scan", "read"]
ORDERS = [
    order
    for order in itertools.permutations(STEPS)
    if order.index("rename") < order.index("create") and order[-1] not in ("scan", "read")  # these come anyway
]


class Rotation:
    """One file, and what happens to it and to the tailer."""

    def __init__(self, make: Make, number: int, copying: bool) -> None:
        self.hints = Given()
        self.name, self.copying = f"{number}.log", copying
        self.rig = make(f"{self.name}*", hints=self.hints)
        self.path: Path = self.rig.write(self.name, "one\n")
        self.rig.start().run()
        self.rig.write(self.name, "two\n")
        self._old = self.path.open("a")  # as the program that writes has it

    def step(self, step: str) -> None:
        rotated = Path(f"{self.path}.1")
        match step:
            case "rename":
                if self.copying:
                    rotated.write_bytes(self.path.read_bytes())
                else:
                    self.path.rename(rotated)
            case "create":
                if self.copying:
                    os.truncate(self.path, 0)
                self.rig.write(self.name, "three\n")
            case "late line":
                self._old.write("late\n")
                self._old.flush()
            case "scan":
                self.rig.poll(1)
            case "read":
                self.rig.read_all()
            case _:
                self.hints.paths = {os.fsencode(rotated if step == "hint old" else self.path)}
                self.rig.poll()

    def end(self) -> None:
        """All there is has arrived, and makes room for the next."""
        self._old.close()
        self.rig.run(4)
        self.path.unlink()
        Path(f"{self.path}.1").unlink()


@pytest.mark.parametrize("every", range(4))
def test_case_010_every_order_of_a_rotation_and_of_what_the_tailer_does_gives_the_same_lines(
    stand: Make, every: int
) -> None:
    """Mutations: a hint decides without a look at what is there; a file that is gone for one scan is finished."""
    for number, order in enumerate(ORDERS[every::4]):
        one = Rotation(stand, number, copying=False)
        for step in order:
            one.step(step)
        one.end()
        assert sorted(one.rig.lines()) == ["late\n", "one\n", "three\n", "two\n"], order
        assert len(one.rig.rows) == 2, order
        assert not one.rig.said_lost(), order
        one.rig.running.close()
        assert len(one.rig.running._descriptors) == 0
        one.rig.tail = None


def test_case_010_every_order_of_a_copytruncate_and_of_what_the_tailer_does_gives_the_same_lines(stand: Make) -> None:
    """The late line comes before the copy or after the truncation: between the two it is lost to everybody."""
    orders = [
        order for order in ORDERS[::5] if not order.index("rename") < order.index("late line") < order.index("create")
    ]
    for number, order in enumerate(orders):
        one = Rotation(stand, number, copying=True)
        for step in order:
            one.step(step)
        one.end()
        assert sorted(one.rig.lines()) == ["late\n", "one\n", "three\n", "two\n"], order
        assert not one.rig.said_lost(), order
        one.rig.stop()


@pytest.mark.parametrize("border", [1 << 31, 1 << 32], ids=["2 GiB", "4 GiB"])
def test_case_018_a_file_that_grows_across_a_border_and_is_truncated(stand: Make, border: int) -> None:
    lines = [f"{number:06} a line across the border\n" for number in range(10)]
    rig = stand(buffer=1002)
    path = rig.directory / "a.log"
    with path.open("wb") as file:
        file.seek(border - 100)
        file.write("".join(lines[:2]).encode())
    rig.start().run()
    assert rig.rows[1].offset < border
    for line in lines[2:]:
        rig.write("a.log", line)
        rig.run(1)
    assert rig.rows[1].offset > border
    assert rig.lines() == lines
    rig.stop()
    rig.start().run(1)
    os.truncate(path, 0)
    rig.write("a.log", "fresh\n")
    rig.run(2)
    assert rig.lines() == [*lines, "fresh\n"]
    rig.check_balances()


def test_case_002_later_files_are_read_from_their_beginning_also_when_few_may_be_open(stand: Make) -> None:
    rig = stand(read_from="end", max_open=2)
    for name in "abcd":
        rig.write(f"{name}.log", f"old {name}\n")
    rig.start().run(2)
    for name in "efghij":
        rig.write(f"{name}.log", f"new {name}\n")
    for name in "abcd":
        rig.write(f"{name}.log", f"more {name}\n")
    rig.run(5)
    assert sorted(rig.lines()) == [f"more {name}\n" for name in "abcd"] + [f"new {name}\n" for name in "efghij"]
