"""Worker processes that crash, hang, eat memory or are killed: at most one line is lost to it, a known one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.testing.doubles import ListSource
from tailrace.pipeline.work.dispatch import START_FAILURES

from ..waiting import until
from .engine_kit import Pipeline, alive, enrich_spec, numbered

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = set(children())
    yield
    assert set(children()) <= before


def children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += [int(pid) for pid in (task / "children").read_text(encoding="ascii").split()]
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended: its children are another's by now
            return children()
    return found


def messages(pipeline: Pipeline, sink: int = 0) -> list[str]:
    return [orjson.loads(line)["message"] for line in pipeline.sinks[sink].lines()]


def expected(data: bytes, *without: int) -> list[str]:
    return [line for number, line in enumerate(data.decode().splitlines()) if number not in without]


def deadly(source: ListSource, workers: int, **options: Any) -> Pipeline:
    return Pipeline(source, enrich_spec("deadly"), workers=workers, **options)


@pytest.mark.parametrize(
    ("workers", "word", "reason"), [(1, "exit", "exit code 3"), (2, "segfault", "SIGSEGV"), (2, "suicide", "SIGKILL")]
)
def test_case_055_a_line_that_kills_its_worker_is_the_only_one_lost(workers: int, word: str, reason: str) -> None:
    data = numbered(3000, line_1500=word)
    pipeline = deadly(ListSource({"a.log": data}, chunk_bytes=8192), workers, chunk_bytes=1 << 18)
    outcome = pipeline.run()
    assert (outcome.complete, outcome.message) == (True, "")
    assert messages(pipeline) == expected(data, 1500)
    assert pipeline.dead() == [(data.index(word.encode()) - 5, "killed", f"1500 {word}".encode())]
    letter = pipeline.store.letters[0]
    assert letter.stage == "enrich.deadly"
    assert reason in letter.why
    assert outcome.counters.total("worker_restarts") == 3  # in its piece, then two fresh ones with the line alone


def test_case_055_several_deadly_lines_in_one_piece_are_all_found() -> None:
    data = numbered(400, line_10="exit", line_11="exit")
    pipeline = deadly(ListSource({"a.log": data}), 2)
    pipeline.run()
    assert messages(pipeline) == expected(data, 10, 11)
    assert [raw for _, _, raw in pipeline.dead()] == [b"10 exit", b"11 exit"]


def test_case_056_a_worker_that_hangs_in_c_code_is_replaced_and_its_line_is_known() -> None:
    data = numbered(300, line_150="hang")
    pipeline = deadly(ListSource({"a.log": data}), 2, task_timeout=2.0, line_timeout=0.2)  # a start counts, too
    assert pipeline.run().complete
    assert messages(pipeline) == expected(data, 150)
    assert [(error, raw) for _, error, raw in pipeline.dead()] == [("killed", b"150 hang")]
    assert "no progress for 2 s" in pipeline.store.letters[0].why


def test_case_054_memory_beyond_the_limit_costs_the_line_and_not_the_worker() -> None:
    data = numbered(300, line_150="memory")
    pipeline = deadly(ListSource({"a.log": data}), 1, worker_memory=64 << 20)
    outcome = pipeline.run()
    assert messages(pipeline) == expected(data, 150)
    assert [raw for _, _, raw in pipeline.dead()] == [b"150 memory"]
    assert "MemoryError" in pipeline.store.letters[0].why
    assert outcome.counters.total("worker_restarts") == 0


def test_case_054_a_worker_killed_from_outside_at_work_costs_no_line() -> None:
    data = numbered(2000)
    killed: list[int] = []

    def kill(pipeline: Pipeline) -> None:
        working = [worker for worker in pipeline.engine._dispatch.workers if worker.slot is not None and worker.ready]
        if working and len(killed) < 3 and working[0].pid not in killed:
            killed.append(working[0].pid)
            os.kill(working[0].pid, signal.SIGKILL)

    source = ListSource({"a.log": data}, chunk_bytes=2048)
    slow = enrich_spec("Slow", seconds=0.0005)
    pipeline = Pipeline(source, slow, workers=2, on_turn=kill)
    outcome = pipeline.run()
    assert len(killed) == 3
    assert messages(pipeline) == expected(data)
    assert pipeline.dead() == []
    assert outcome.counters.total("lines_read") == 2000
    assert outcome.counters.total("worker_restarts") == 3


def test_case_054_idle_workers_killed_from_outside_are_replaced_however_often() -> None:
    """More often than START_FAILURES: a worker that was ready did not fail to start."""
    source = ListSource({"a.log": b""}, ends=False)
    killed: list[int] = []

    def kill(pipeline: Pipeline) -> None:
        worker = pipeline.engine._dispatch.workers[0]
        if len(killed) == START_FAILURES + 1:
            if not source.read_bytes:
                source.append("a.log", b"alive\n")
            elif pipeline.sinks[0].lines():
                pipeline.engine.stop()
        elif worker.ready and worker.pid not in killed:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    pipeline = Pipeline(source, workers=1, on_turn=kill)
    assert pipeline.run().complete
    assert messages(pipeline) == ["alive"]


@pytest.mark.parametrize("data", [b"", b"one\ntwo\n"])
def test_workers_that_cannot_start_end_the_run_with_a_clear_error(
    data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    source = ListSource({"a.log": data}, ends=False)
    pipeline = Pipeline(source, enrich_spec("Unstartable", parent=os.getpid()), workers=2)
    with pytest.raises(TailraceError, match=r"workers die as soon as they start \(exit code 9\)"):
        pipeline.run()
    assert "this worker cannot start" in capfd.readouterr().err


def test_a_print_of_a_stage_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    pipeline = deadly(ListSource({"a.log": b"print\n"}), 1)
    pipeline.run()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "a user's print\n")
    assert messages(pipeline) == ["print"]


def test_case_072_workers_ignore_the_signals_of_a_stop_and_have_no_standard_input() -> None:
    pipeline = Pipeline(ListSource({"a.log": b"one\n"}), enrich_spec("Signals"), workers=1)
    pipeline.run()
    event = orjson.loads(pipeline.sinks[0].lines()[0])
    assert (event["ignored"], event["blocked"], event["stdin"]) == ([True] * 5, 0, "")


def test_case_072_a_signal_to_everybody_while_workers_start_kills_none() -> None:
    """Ctrl-C reaches the whole group; a worker that has not come so far as to ignore it must not die of it."""
    pids: list[list[int]] = []

    def signal_all(pipeline: Pipeline) -> None:
        if not pids:
            pids.append(pipeline.worker_pids)
            for pid in pipeline.worker_pids:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                    os.kill(pid, number)

    pipeline = Pipeline(ListSource({"a.log": b"one\n"}), workers=2, on_turn=signal_all)
    outcome = pipeline.run()
    assert outcome.counters.total("worker_restarts") == 0
    assert messages(pipeline) == ["one"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_output_is_the_same_for_any_number_of_workers_and_each_file_keeps_its_order(workers: int) -> None:
    files = {
        f"{name}.log": b"".join(
            f"{name} {n} {word}\r\n".encode() + b"\n" * (n % 7 == 0)
            for n in range(3000)
            for word in [
                "raise" if n % 101 == 0 else "fail" if n % 103 == 0 else "dup" if n % 97 == 0 else "x" * (n % 50)
            ]
        )
        for name in "abc"
    }
    parse = StageSpec("tests.engine.engine_stages:LineParser", "parse.lines", "parse", {})
    pipeline = Pipeline(
        ListSource(files, chunk_bytes=6000), enrich_spec("Moody"), parse=parse, workers=workers, slots=2 * workers + 2
    )
    outcome = pipeline.run()
    for name in "abc":
        theirs = [message for message in messages(pipeline) if message.startswith(name)]
        lines = [f"{name} {n} " for n in range(3000) for _ in range(2 if is_dup(n) else 1) if not is_bad(n)]
        assert [message[: len(line)] for message, line in zip(theirs, lines, strict=True)] == lines
    count = outcome.counters.total
    assert count("lines_read") + count("events_made") == (
        count("events_written") + count("events_filtered") + count("dead_letters")
    )
    assert count("dead_letters") == len(pipeline.dead()) == 3 * len([n for n in range(3000) if is_bad(n)])
    for letter in pipeline.store.letters:
        assert files[letter.file][letter.offset : letter.offset + letter.length] == letter.raw


def is_bad(n: int) -> bool:
    return n % 101 == 0 or n % 103 == 0


def is_dup(n: int) -> bool:
    return n % 97 == 0 and not is_bad(n)


PARENT = """
    import os, sys
    sys.path[:0] = [{here!r}]
    from engine_kit import Pipeline, enrich_spec
    from tailrace.pipeline.testing.doubles import ListSource
    told = []
    def tell(pipeline):
        if not told and all(worker.ready for worker in pipeline.engine._dispatch.workers):
            told.append(print(*pipeline.worker_pids, flush=True))
    data = b"line\\n" * {lines}
    source = ListSource({{"a.log": data}}, ends=False)
    Pipeline(source, enrich_spec("Slow", seconds=0.01), workers=2, on_turn=tell).run()
"""


@pytest.mark.parametrize("lines", [0, 100_000])
def test_case_057_workers_are_gone_within_a_second_after_their_parent_was_killed(lines: int) -> None:
    took: list[float] = []
    while not took or (took[-1] > 1.0 and len(took) < 4):  # a busy machine may be late to look
        took.append(time_to_end(textwrap.dedent(PARENT).format(here=str(HERE), lines=lines)))
    assert took[-1] < 1.0, took


def time_to_end(code: str) -> float:
    """Seconds from the parent's death to that of its workers."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        parent.kill()
        killed = time.monotonic()
        until(lambda: not any(map(alive, pids)), "the workers are gone")
        return time.monotonic() - killed
