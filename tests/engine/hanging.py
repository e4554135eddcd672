"""A sink to files that hangs in one of its calls, for as long as the test wants."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.stages.write.file import File


@dataclass
class Gate:
    """``shut`` names the call that hangs until ``open``."""

    shut: str = ""

    def __post_init__(self) -> None:
        self.hangs, self._go = threading.Event(), threading.Event()
        self.left = 0  # calls that have come back

    def pass_by(self, call: str) -> None:
        if call == self.shut:
            self.hangs.set()
            self._go.wait()
            self.left += 1

    def open(self) -> None:
        self.shut = ""
        self._go.set()


class Hanging(File):
    gate: ClassVar[Gate] = Gate()

    def deliver(self, batch: Any) -> None:
        self.gate.pass_by("deliver")
        super().deliver(batch)

    def sync(self, cut: Any) -> Any:
        marks = super().sync(cut)
        self.gate.pass_by("sync")
        return marks

    def recover(self, marks: Any, may_cut: bool) -> None:
        self.gate.pass_by("recover")
        super().recover(marks, may_cut)

    def close(self) -> None:
        self.gate.pass_by("close")
        super().close()
