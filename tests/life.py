"""A life of the daemon in a forked process: it starts in no time, and may be changed, or killed, at any place."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tailrace.pipeline.run.daemon import run_daemon
from tailrace.pipeline.run.engine import Engine
from tailrace.pipeline.run.outcome import Outcome
from tailrace.pipeline.settings import Config
from tailrace.pipeline.source.tail import hints, tail  # noqa: F401  (the daemon imports these late: here once, before the forks)
from tailrace.pipeline.state.letters import Filter
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.stages.write import file  # noqa: F401  (likewise)

from .engine.engine_kit import Log

Say = Callable[[object], object]


@dataclass(slots=True, frozen=True)
class Life:
    """What there is to know of it when it is over."""

    process: int
    code: int  # -9: killed; 1: it raised, and its traceback is on standard error
    said: list[str]


def fork(live: Callable[[Say], object]) -> Life:
    """``live`` in a process and session of its own, to its end; it may say lines to us."""
    end, begin = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()
            live(lambda line: os.write(begin, f"{line}\n".encode()))
            code = 0
        except BaseException:  # told, and the child must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(begin)
    with open(end, encoding="utf-8") as answer:
        said = answer.read().splitlines()
    _, status = os.waitpid(child, 0)
    return Life(child, os.waitstatus_to_exitcode(status), said)


def run_to_end(config: Config, log: Log, configure: Callable[[Engine], None], *, redrive: bool = False) -> Outcome:
    """Everything that is there, then the end; in this process. ``redrive``: the dead letters, and nothing else."""
    wanted = Filter() if redrive else None
    return run_daemon(
        config,
        log=log,
        counters=Counters(),
        until_eof=True,
        configure=configure,
        on_turn=lambda _: None,
        redrive=wanted,
    )
