"""What those who look at events ask of the workers: it stands in shared memory, behind the slots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

AREA_BYTES = 16 << 10
_WORDS = 16  # bytes: the two words at its beginning


@dataclass(slots=True, frozen=True)
class Request:
    number: int
    stage: str = ""  # a stage's label; "": what the sinks are given
    when: str = ""  # an expression; "": every event
    enough: bool = False  # for now: what passes is only counted


class Area:
    """Where requests stand. Its first word is 0 while nobody asks, and another number whenever they change."""

    def __init__(self, memory: memoryview) -> None:
        self._words = memory[:_WORDS].cast("Q")
        self._text = memory[_WORDS:]

    def release(self) -> None:
        """Nobody uses it any more. BufferError: somebody does."""
        self._words.release()
        self._text.release()

    @property
    def version(self) -> int:
        return self._words[0]

    def fits(self, requests: Sequence[Request]) -> bool:
        """Whether there is room for them."""
        return len(_packed(requests)) <= len(self._text)

    def ask(self, version: int, requests: Sequence[Request]) -> None:
        """ValueError: they do not fit. ``version`` 0: nobody asks."""
        data = _packed(requests)
        if len(data) > len(self._text):
            raise ValueError("there is no room for so many requests")
        self._words[0] = 0  # who reads them meanwhile looks again
        self._text[: len(data)] = data
        self._words[1] = len(data)
        self._words[0] = version

    def requests(self) -> list[Request]:
        """ValueError, TypeError: they are being written."""
        return [Request(*one) for one in json.loads(bytes(self._text[: self._words[1]]))]


def _packed(requests: Sequence[Request]) -> bytes:
    return json.dumps([astuple(one) for one in requests], ensure_ascii=False).encode()
