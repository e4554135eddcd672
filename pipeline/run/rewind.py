"""How often a run goes back to its last commit, and how long it waits before it starts from there again."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_REWIND, LONGEST_REWIND = 0.5, 30.0  # seconds between rewinds that follow one another
STEADY = 60.0  # seconds without a rewind after which the next one is the first of a new row and waits little again
MOST_REWINDS = 10  # in a row, without a line that was committed between them, after which it stops: two minutes
MOST_REWINDS_TO_THE_END = 5  # of a run that is to end: 7 seconds


@dataclass(slots=True)
class Rewinds:
    """Those that follow one another: without a line that was committed between them, and without a steady time."""

    count: int = 0
    why: str = ""  # the cause of the last one
    _lines: float = 0.0  # committed when it came
    _when: float = float("-inf")
    _backoff: float = 0.0

    def another(self, why: str, now: float, lines: float) -> float:
        """One more, with so many lines committed in all; seconds to wait before starting again."""
        steady = now - self._when > STEADY
        if steady or not self._backoff:
            self._backoff = FIRST_REWIND
        self.count = 1 if steady or lines > self._lines else self.count + 1
        self.why, self._lines, self._when = why, lines, now
        wait = self._backoff
        self._backoff = min(self._backoff * 2, LONGEST_REWIND)
        return wait

    def too_many(self, until_eof: bool) -> str:
        """Why the run stops; empty while it goes on."""
        if self.count < (MOST_REWINDS_TO_THE_END if until_eof else MOST_REWINDS):
            return ""
        return (
            f"{self.count} commits in a row have failed, the last one: {self.why}; nothing is lost: check the disk "
            "(space, permissions, kernel log); the next start goes on from the last commit"
        )
