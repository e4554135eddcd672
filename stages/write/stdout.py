"""``write.stdout``: one JSON line an event on standard output; at least once."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import ReaderGone, Retry, TailraceError
from tailrace.pipeline.outgoing import Outgoing, Payload
from tailrace.pipeline.stage import Guarantee, Marks
from tailrace.stages.outputs.ndjson import to_lines

DESTINATION = "-"
NEWLINE = memoryview(b"\n")
STANDARD_OUTPUT = 1
PIPE_PORTION = 4096  # PIPE_BUF: what a pipe that polls as writable takes without blocking
STILL = 0.2  # seconds without any progress after which the engine gets a chance to stop us
PATIENCE = 5.0  # seconds after which it gets one although there is progress


@dataclass
class Stdout:
    """Write events as NDJSON to standard output. A crash repeats at most what lay between two commits.

    When the reader is gone for good, the run ends.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "write.stdout"

    Lines::

        {"msg": "order paid"}

    Commands::

        tailrace run -c example.toml --until-eof
    """

    # Standard output stays in blocking mode, since other processes may share it; so a pipe is written in portions and
    # only when it has room. When the reader is gone for good, ``deliver`` raises ReaderGone.

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def __post_init__(self) -> None:
        self.given_plain = False  # set when the chain is built
        self._written = 0  # bytes of the payload now under way that are out
        self._midline = False  # the last byte that is out is no newline
        self._torn = False  # the payload that it belongs to was given up

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        return [Payload(DESTINATION, to_lines(events, self.given_plain))] if events else []

    def deliver(self, batch: Outgoing) -> None:
        """``Retry`` when nobody reads. What is out by then stays out: the same payload again goes on from there, so the
        contract's "nothing of this call counts" holds for the engine, not for the reader."""
        payload = memoryview(batch.data)
        whole = stat.S_ISREG(os.fstat(STANDARD_OUTPUT).st_mode)
        room = select.poll()
        room.register(STANDARD_OUTPUT, select.POLLOUT)
        deadline = time.monotonic() + PATIENCE
        while self._torn or self._written < len(payload):
            if not room.poll(STILL * 1000):
                raise Retry("standard output is not being read")
            if time.monotonic() > deadline:
                raise Retry("standard output is being read slowly")
            end = len(payload) if whole else self._written + PIPE_PORTION
            portion = NEWLINE if self._torn else payload[self._written : end]
            try:
                count = os.write(STANDARD_OUTPUT, portion)
            except BlockingIOError:  # somebody else has set it to non-blocking mode, and was faster than we
                continue
            except BrokenPipeError as error:
                raise ReaderGone("the reader of standard output went away") from error
            except OSError as error:
                if error.errno == errno.EBADF:
                    raise TailraceError(
                        "standard output is closed, or not open for writing: the events have nowhere to go"
                    ) from error
                if error.errno == errno.EIO and stat.S_ISCHR(os.fstat(STANDARD_OUTPUT).st_mode):
                    raise ReaderGone("the terminal has closed") from error
                raise
            if self._torn:
                self._torn = False
            else:
                self._written += count
            self._midline = portion[count - 1] != NEWLINE[0]
        self._written = 0

    def recover(self, marks: Marks, may_cut: bool) -> None:  # noqa: ARG002  there are none
        """What is out cannot be taken back; but a line that was left unfinished is ended before anything follows."""
        self._written = 0
        self._torn = self._midline
