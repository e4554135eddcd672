"""What can go wrong, named for what the engine must do about it."""

from __future__ import annotations


class TailraceError(Exception):
    """Anything tailrace reports to its user by its message alone, without a traceback (exit code 1)."""


class UsageError(TailraceError):
    """The command was called in a way it does not know (exit code 2)."""


class ConfigError(TailraceError):
    """The configuration cannot be used (exit code 78). Carries every problem found, not the first.

    ``problems`` are complete sentences, one each: place, value found, what was expected, nearest valid name.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StateError(TailraceError):
    """The state file cannot be used: locked, damaged, newer, not writable. Nothing was changed; says how to recover."""


class Retry(Exception):
    """A sink could not take the payload now: offered again after ``delay`` seconds (None: exponential backoff).

    ``expected``: nothing is wrong, the payload's time has not come; the wait is neither logged nor counted.
    """

    def __init__(self, why: str, delay: float | None = None, *, expected: bool = False) -> None:
        super().__init__(why)
        self.delay = delay
        self.expected = expected


class Park(Exception):
    """The sink, not the data, is wrong: credentials, a missing table, a full disk. Nothing more is sent and nothing is
    dead-lettered; the same batch is tried again, as a probe, after a backoff. The words are for who can mend it."""


class Split(Exception):
    """Some records of the batch are at fault, and the reply does not say which: the engine sends its halves. A record
    that is alone becomes a dead letter with this code and these words."""

    def __init__(self, why: str, code: str = "too_large") -> None:
        super().__init__(why)
        self.code = code


class ReaderGone(Exception):
    """The reader of standard output went away: the run ends, and it is no failure of ours."""


class MemoryFull(Exception):
    """What the stages remember would take more than ``pipeline.stage_memory``."""


class Reject(ValueError):
    """A sink can never take this event: raised by ``encode``, its line becomes a dead letter with this code (see
    ``Fail``) and these words. Nothing is at fault in the sink, so there is no traceback."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class TimeBudget(BaseException):
    """A line used up its time. Not an ``Exception``: a stage's own ``except Exception`` must not swallow it."""
