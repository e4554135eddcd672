"""What sinks tell the engine, through one queue that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.sinks.sender import Refused
from tailrace.pipeline.stage import Marks
from tailrace.pipeline.work.task import Task


@dataclass(slots=True, frozen=True)
class Delivered:
    """The sink has taken all of this task: its slot is not needed any more."""

    sink: int
    task: Task


@dataclass(slots=True, frozen=True)
class Retried:
    """A call that failed, for the ``failures``-th time in a row; it will be made again."""

    sink: int
    error: BaseException
    failures: int


@dataclass(slots=True, frozen=True)
class Succeeded:
    """A call got through that had failed before."""

    sink: int


@dataclass(slots=True, frozen=True)
class Announced:
    """New destinations: their marks must be durable before the sink goes on (``SinkThread.go_on``)."""

    sink: int
    marks: Marks
    paths: Sequence[str] = ()  # their files, which are no source


@dataclass(slots=True, frozen=True)
class Met:
    """A barrier: everything before it is durable; these marks changed, and these records were refused."""

    sink: int
    barrier: int
    marks: Marks
    refused: Sequence[Refused]


@dataclass(slots=True, frozen=True)
class Lost:
    """What was delivered cannot be made durable: the engine goes back to the last commit. ``recoveries``: how many the
    sink had begun by then; if the engine has asked for more, it has gone back already."""

    sink: int
    error: BaseException
    recoveries: int


@dataclass(slots=True, frozen=True)
class Fatal:
    """Only the user can put it right: the run ends."""

    sink: int
    error: TailraceError


@dataclass(slots=True, frozen=True)
class Recovered:
    sink: int


@dataclass(slots=True, frozen=True)
class Closed:
    """The reader of the output is gone for good."""

    sink: int


@dataclass(slots=True, frozen=True)
class Said:
    """A notice of the sink's own for the log."""

    sink: int
    notice: str


Answer = Delivered | Retried | Succeeded | Announced | Met | Lost | Fatal | Recovered | Closed | Said
