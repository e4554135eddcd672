"""What those who look at events ask of the workers: it stands in shared memory, behind the slots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

AREA_BYTES = 16 << 10
_WORDS = 16  # bytes: the two words at its beginning


@dataclass(slots=True, frozen=True)
class Request:
    number: int
    stage: str = ""  # a stage's label; "": what the sinks are given
    when: str = ""  # an expression; "": every event


class Area:
    """Where requests stand. Its first word is 0 while nobody asks, and another number whenever they change."""

    def __init__(self, memory: memoryview) -> None:
        self._words = memory[:_WORDS].cast("Q")
        self._text = memory[_WORDS:]

    @property
    def version(self) -> int:
        return self._words[0]

    def ask(self, version: int, requests: Sequence[Request]) -> None:
        """ValueError: they are too long. ``version`` 0: nobody asks."""
        data = json.dumps([[one.number, one.stage, one.when] for one in requests]).encode()
        if len(data) > len(self._text):
            raise ValueError("the expression is too long")
        self._words[0] = 0  # who reads them meanwhile looks again
        self._text[: len(data)] = data
        self._words[1] = len(data)
        self._words[0] = version

    def requests(self) -> list[Request]:
        return [Request(*one) for one in json.loads(bytes(self._text[: self._words[1]]))]
