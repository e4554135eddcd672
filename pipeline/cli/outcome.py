"""What the end of a run means for the caller: its exit code, and the sentence that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailrace.pipeline.errors import TailraceError

if TYPE_CHECKING:
    from tailrace.pipeline.run.outcome import Outcome

DEAD_LETTERED = 3


def exit_code(outcome: Outcome, *, strict: bool) -> int:
    """0, or 3 for dead letters under ``--strict``. TailraceError where not everything was done."""
    problems = [f"{path}: could not be read: {why}" for path, why in sorted(outcome.unread.items())]
    if not outcome.complete and not outcome.closed:
        problems.append(outcome.message)
    if problems:
        raise TailraceError("\n".join(problems))
    return DEAD_LETTERED if strict and outcome.counters.total("dead_letters") else 0
