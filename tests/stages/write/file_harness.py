"""What the engine is to a file sink."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailrace.pipeline.outgoing import About, Outgoing
from tailrace.pipeline.stage import Cut
from tailrace.stages.outputs.mark import Mark
from tailrace.stages.write.file import File


class Harness:
    """What the engine does with a sink: keeps the marks, announces what is new, and starts anew after a crash."""

    def __init__(self, template: str, **options: Any) -> None:
        self.template, self.options = template, options
        self.marks: dict[str, Any] = {}
        self.most_uncommitted: int | None = None
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        self.sink = File(self.template, **self.options)
        self.recover()

    def crash(self) -> None:
        """The process is gone: descriptors closed, nothing else done. Then the next start."""
        self.sink.close()
        self.start()

    def recover(self, *, may_cut: bool = True) -> None:
        self.announced: set[str] = set()
        self.sink.connect(About("out", self.most_uncommitted, self.said.append))
        self.sink.recover(json.loads(json.dumps(self.marks)), may_cut)

    def announce(self, destination: str | Path) -> Mark:
        return Mark(**self.sink.announce([str(destination)])[str(destination)])

    def put(self, destination: str | Path, payload: bytes) -> None:
        destination = str(destination)
        if destination not in self.announced:
            self.marks |= self.sink.announce([destination])
            self.announced.add(destination)
        self.sink.deliver(Outgoing(destination, memoryview(payload)))

    def commit(self) -> list[Mark]:
        marks = self.sink.sync(Cut(1))
        self.marks |= marks
        return [Mark(**mark) for mark in marks.values()]

    def notices(self) -> str:
        notices = "\n".join(self.said)
        self.said.clear()
        return notices


Fault = Callable[[str, str], None]
