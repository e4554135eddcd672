"""The minute's line, the law of conservation, the end's tables, the progress bar."""

import io
import subprocess
import sys
from typing import Any, Literal

import pytest
from tailrace.pipeline.cli.screen.progress import Progress
from tailrace.pipeline.cli.screen.report import report
from tailrace.pipeline.cli.screen.table import Table, plain, show
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.telemetry.counters import Counters
from tailrace.pipeline.telemetry.snapshot import SinkState, Snapshot
from tailrace.pipeline.telemetry.summary import Summary, balances


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.delenv("NO_COLOR", raising=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def stage(label: str, role: Literal["parse", "enrich", "write"], when: str | None = None) -> StageSpec:
    return StageSpec(label, label, role, {}, when=when, id=f"{label} out.ndjson" if role == "write" else "")


CHAIN = [
    stage("parse.json", "parse"),
    stage("write.early", "write"),
    stage("enrich.split", "enrich"),
    stage("enrich.filter", "enrich"),
    stage("write.late", "write"),
    stage("write.some", "write", when="status == 500"),
]


def counted() -> Counters:
    """100 lines: 2 empty, 5 not JSON, 93 early; 7 more by splitting; 40 filtered, 1 raised; 58 late, 1 rejected."""
    counters = Counters()
    counters.add("lines_read", 100)
    counters.add("bytes_read", 5_000_000)
    counters.add("events_filtered", 2, stage="source", reason="empty line")
    counters.add("dead_letters", 5, stage="parse.json", error="no_match")
    counters.add("events_written", 93, sink="write.early out.ndjson")
    counters.add("events_made", 7, stage="enrich.split")
    counters.add("events_filtered", 40, stage="enrich.filter", reason="dropped")
    counters.add("dead_letters", 1, stage="enrich.filter", error="raised")
    counters.add("dead_letters", 1, stage="write.late", error="rejected", sink="write.late out.ndjson")
    counters.add("events_written", 58, sink="write.late out.ndjson")
    counters.add("events_written", 10, sink="write.some out.ndjson")
    counters.add("stage_seconds", 1.5, stage="parse.json")
    counters.add("stage_seconds", 0.5, stage="enrich.split")
    return counters


def test_sums_add_up_for_each_sink_at_its_place_in_the_chain() -> None:
    early, late, some = balances(counted(), CHAIN)
    assert (early.read, early.made, early.written, early.filtered, early.dead) == (100, 0, 93, 2, 5)
    assert (late.read, late.made, late.written, late.filtered, late.dead) == (100, 7, 58, 42, 7)
    assert early.holds
    assert late.holds
    assert some.holds
    assert some.passed_by == 107 - 10 - 42 - 6
    assert str(some).endswith(f"+ {some.passed_by} not for this sink")


def test_events_that_met_no_sink_are_not_missing_before_one() -> None:
    counters = Counters()
    counters.add("lines_read", 10)
    counters.add("events_written", 4, sink="write.some out.ndjson")
    counters.add("events_filtered", 6, stage="end of the chain", reason="no route")
    (law,) = balances(counters, [CHAIN[0], CHAIN[-1]])
    assert (law.filtered, law.passed_by, law.holds) == (0, 6, True)


def test_a_lost_event_breaks_the_law_and_is_shown() -> None:
    counters = counted()
    counters.add("events_written", -1, sink="write.late out.ndjson")
    _, late, _ = balances(counters, CHAIN)
    assert not late.holds
    assert str(late).endswith("DOES NOT ADD UP: +1")


def test_pending_lines_are_part_of_the_sum() -> None:
    counters = counted()
    counters.add("lines_read", 30)
    counters.add("lines_pending", 30)
    assert all(balance.holds for balance in balances(counters, CHAIN))


def test_a_replay_without_its_sinks_has_one_sum_at_the_end() -> None:
    counters = Counters()
    counters.add("lines_read", 10)
    counters.add("events_filtered", 3, stage="enrich.filter", reason="dropped")
    counters.add("events_written", 7, sink="standard output")
    (law,) = balances(counters, CHAIN, end="standard output")
    assert (law.sink, law.written, law.holds) == ("standard output", 7, True)


def test_the_minutes_line_tells_what_was_committed_since_the_last() -> None:
    said: list[dict[str, Any]] = []
    counters = counted()

    def look() -> Snapshot:
        committed = Counters()
        committed.values.update(counters.values)
        return Snapshot(committed)

    summary = Summary(look, say=lambda _event, **fields: said.append(fields))
    summary.tick(1000.0)
    counters.add("lines_read", 600)
    counters.add("bytes_read", 120_000_000)
    counters.add("events_written", 599, sink="write.late out.ndjson")
    counters.add("dead_letters", 1, stage="parse.json", error="no_match")
    summary.tick(1059.0)
    assert said == []
    summary.tick(1060.0)
    assert said == [
        {
            "seconds": 60, "lines": 600, "mb_per_s": 2.0, "written": {"write.late out.ndjson": 599}, "dead_letters": 1,
            "pending": 0, "pending_bytes": 0,
        }
    ]  # fmt: skip
    summary.tick(1120.0)
    assert len(said) == 1, "nothing happened"
    counters.add("lines_read", 1)
    summary.tick(1180.0)
    assert said[1]["lines"] == 1


def test_the_minutes_line_tells_what_is_pending_and_which_sink_holds_it_up() -> None:
    said: list[dict[str, Any]] = []
    files = {"/a.log": 400, "/b.log": 50, "/c.log": 7, "/d.log": 1}
    stuck = Snapshot(
        counted(), 50, 458, 61.4, (0, 458), files, {"out": SinkState(59.6, "[Errno 21] Is a directory: '/out'")}
    )
    summary = Summary(lambda: stuck, say=lambda _event, **fields: said.append(fields))
    for now in (0.0, 60.0, 120.0):
        summary.tick(now)
    assert len(said) == 2, "as long as something is pending"
    assert said[0] == {
        "seconds": 60, "lines": 0, "mb_per_s": 0.0, "written": {}, "dead_letters": 0, "pending": 50,
        "pending_bytes": 458, "oldest_seconds": 61, "pending_files": {"/a.log": 400, "/b.log": 50, "/c.log": 7},
        "stuck": {"out": "60 s: [Errno 21] Is a directory: '/out'"},
    }  # fmt: skip


def test_the_report_in_a_pipe_is_plain_aligned_text() -> None:
    stream = io.StringIO()
    report(stream, counted(), CHAIN, 2.0)
    assert stream.getvalue() == (
        "2.00 s, 4.8 MiB, 2.4 MiB/s\n"
        "what            where                   why         count\n"
        "lines read                                            100\n"
        "written         write.early out.ndjson                 93\n"
        "written         write.late out.ndjson                  58\n"
        "written         write.some out.ndjson                  10\n"
        "made by stages  enrich.split                            7\n"
        "filtered        enrich.filter           dropped        40\n"
        "filtered        source                  empty line      2\n"
        "dead letters    parse.json              no_match        5\n"
        "dead letters    enrich.filter           raised          1\n"
        "dead letters    write.late              rejected        1\n"
        "pending                                                 0\n"
        "\n"
        "time in the workers\n"
        "stage           time  share\n"
        "parse.json    1.50 s    75%\n"
        "enrich.split  0.50 s    25%\n"
        "\n"
        "write.early out.ndjson: 100 read + 0 made = 93 written + 2 filtered + 5 dead-lettered + 0 pending\n"
        "write.late out.ndjson: 100 read + 7 made = 58 written + 42 filtered + 7 dead-lettered + 0 pending\n"
        "write.some out.ndjson: 100 read + 7 made = 10 written + 42 filtered + 6 dead-lettered + 0 pending"
        " + 49 not for this sink\n"
    )


def test_the_report_on_a_terminal_shows_the_same_cells() -> None:
    stream = Terminal()
    report(stream, counted(), CHAIN, 2.0)
    assert "\x1b[" in stream.getvalue()
    assert all(cell in stream.getvalue() for cell in ("enrich.filter", "dropped", "58", "75%", "dead-lettered"))


def test_table_cells_are_escaped_and_markup_stays_text() -> None:
    table = Table(("a", "b"), [("[red]x[/]", "1\n2\x1b[31m")], "title\n", frozenset({"b"}))
    assert plain(table).splitlines()[2] == "[red]x[/]  1\\n2\\x1b[31m"
    stream = Terminal()
    show(table, stream)
    assert "[red]x[/]" in stream.getvalue()
    assert "1\\n2\\x1b[31m" in stream.getvalue()
    assert "\x1b[31m" not in stream.getvalue()


def test_a_plain_table_does_not_import_rich() -> None:
    code = (
        "import io, sys; from tailrace.pipeline.cli.screen.table import *\n"
        "from tailrace.pipeline.cli.screen.progress import *\n"
        "show(Table(('a',), [('b',)]), io.StringIO()); Progress(Counters, lambda: (0, 1), io.StringIO()).tick(1.0)\n"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_progress_is_drawn_on_a_terminal_and_taken_away() -> None:
    stream = Terminal()
    position = (50, 100)
    progress = Progress(counted, lambda: position, stream, data=io.StringIO())
    progress.tick(1.0)
    drawn = stream.getvalue()
    assert "100 lines, 7 dead letters" in drawn
    assert "50%" in drawn
    progress.tick(1.05)
    assert stream.getvalue() == drawn, "drawn at most ten times a second"
    position = (90, 100)
    progress.tick(1.2)
    assert "90%" in stream.getvalue()
    progress.stop()
    progress.stop()
    progress.tick(9.0)
    assert stream.getvalue().endswith("\x1b[2K")


def test_progress_is_silent_in_a_pipe_and_beside_data_on_the_same_terminal() -> None:
    for stream, data in ((io.StringIO(), io.StringIO()), (Terminal(), Terminal())):
        progress = Progress(counted, lambda: (0, None), stream, data)
        progress.tick(1.0)
        progress.stop()
        assert stream.getvalue() == ""
