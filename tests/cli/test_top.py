"""The live picture: what it shows on screens of any size, and that it leaves the terminal as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tailrace.pipeline.cli.screen.layout import Line, Section, Stack
from tailrace.pipeline.cli.screen.spark import gauge, spark
from tailrace.pipeline.cli.screen.top import picture

from .answers import CANNED, NOW, healthy, past, sink_down
from .conftest import Run
from .control_stub import Control, Json
from .terminal_kit import ENTER, LEAVE, Terminal

UNSAFE = set("\x1b\x9b\r\u202e\u2066")


@pytest.fixture
def control(config: Path) -> Iterator[Control]:
    with Control(config.parent / "state", sink_down(), past()) as control:
        yield control


def rows(lines: list[Line]) -> list[str]:
    return ["".join(span.text for span in one) for one in lines]


def shown(status: Json, width: int = 80, height: int = 24, gone: str = "") -> list[str]:
    return rows(picture(status, past(), width, height, gone))


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (129, 33), (130, 33), (160, 50), (300, 100)])
@pytest.mark.parametrize("name", CANNED)
def test_a_picture_fits_any_screen_and_shows_nothing_raw(name: str, size: tuple[int, int]) -> None:
    width, height = size
    found = shown(CANNED[name](), width, height)
    assert 0 < len(found) <= height
    assert max(map(len, found)) <= width
    assert not UNSAFE & set("".join(found))


def test_on_a_small_screen_stands_what_matters_most() -> None:
    text = "\n".join(found := shown(sink_down()))
    assert found[0].startswith("shop  running for 6h 12m, process 4711")
    assert found[1].startswith("✗ sink search is down since 02:14:30 (12m): connection refused")
    assert [row for row in found if row.startswith("search") and row.endswith("◀ bottleneck")]
    assert [row for row in found if row.startswith("search  down 12m")]
    assert "/var/log/nginx/access.log  reading   3.0 GiB     12m" in found
    for name in ("parse.combined", "parse.json", "enrich.filter", "pending 55,021 lines for 12m", "ring 0/6 free"):
        assert name in text


def test_a_larger_screen_shows_workers_patterns_and_what_a_small_one_leaves_out() -> None:
    status = healthy()
    text = "\n".join(shown(status, 160, 40))
    for words in ("4713    working   44%", "odd quotes  parse.combined", "p99", "dead/s", "out     up"):
        assert words in text
    assert "odd quotes" not in "\n".join(shown(status))


def test_what_holds_it_up_is_shown_however_long_the_chain() -> None:
    status = healthy()
    status["flow"][1:1] = [status["flow"][1] | {"id": f"stage:{n}", "label": f"n{n}", "busy": 0.5} for n in range(40)]
    status["bottleneck"] = {"id": "sink:search", "why": "it is slow"}
    found = shown(status)
    assert [row for row in found if row.startswith("search") and "◀ bottleneck" in row]
    assert [row for row in found if row.startswith("stage ") and row.endswith("more")]


def test_what_is_worst_can_be_read_to_its_end() -> None:
    status = sink_down()
    status["sinks"][1]["why"] = "503 Service Unavailable: " + "the database is being moved, " * 3 + "back at noon"
    found = shown(status, 80, 24)
    assert [row[:2] for row in found[1:5]] == ["✗ ", "  ", "  ", found[4][:2]]
    assert "back at noon" in " ".join(found[1:4])
    assert "q: leave" in found[0]
    assert "q: leave" not in rows(picture(status, past(), 80, 24, live=False))[0]


def test_a_daemon_that_has_gone_is_told_above_the_last_picture() -> None:
    lines = picture(healthy(), past(), 80, 24, "it does not run any more")
    assert rows(lines)[1] == "✗ it does not run any more"
    styles = {span.style for one in lines for span in one if span.text.strip()}
    assert styles == {"dim", "bold red"}


def test_bars_follow_the_figures() -> None:
    assert spark([0, 1, 4, None, 8], 10) == "▁▂▅ █"
    assert spark(range(9), 3) == "▆▇█"
    assert spark([0.0, 0.0], 5) == "▁▁"
    assert spark([1], 0) == ""
    assert [gauge(share, 4) for share in (0, 0.03, 0.5, 1, 7)] == ["    ", "▏   ", "██  ", "████", "████"]


def test_sections_share_the_lines_and_cut_what_gives_way() -> None:
    many = Section(("file", "lag"), [(f"/long/way/to/a/{n}.log", str(n)) for n in range(9)], ends=True, least=3)
    other = Section(("sink", "state"), [("out", "up"), ("in", "down")], weights=[0.0, 1.0])
    assert rows(Stack([many, other]).lines(8, 20)) == [
        "file +6          lag",
        "…way/to/a/0.log    0",
        "…way/to/a/1.log    1",
        "…way/to/a/2.log    2",
        "",
        "sink  state",
        "out      up",
        "in     down",
    ]
    assert rows(other.lines(2, 20)) == ["sink  state  +1 more", "in     down"]
    assert Stack([many, other]).lines(3, 20) == other.lines(3, 20), "the first has not the room that it needs"


def test_it_redraws_when_the_daemon_says_something_new_and_leaves_with_q(control: Control) -> None:
    with Terminal(("top",)) as terminal:
        at = terminal.until("shop")
        assert terminal.text.startswith(ENTER)
        control.status["name"] = "renamed"
        terminal.until("renamed", at)
        terminal.press("q")
        assert terminal.ends() == 0
        assert terminal.restored
    asked = [path for path, _ in control.asked]
    assert asked.count("/api/history") == 1 < asked.count("/api/status")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_it_was_whatever_ends_it(control: Control, number: signal.Signals) -> None:
    with Terminal(("top",)) as terminal:
        terminal.until(control.status["name"])
        assert not terminal.restored
        terminal.process.send_signal(number)
        assert terminal.ends() == 0
        assert terminal.restored
        assert "Traceback" not in terminal.text


def test_it_waits_for_a_daemon_that_goes_and_shows_it_when_it_is_back(config: Path) -> None:
    with Terminal(("top",)) as terminal:
        with Control(config.parent / "state", healthy(), past()):
            at = terminal.until("shop")
        at = terminal.until("it does not run any more", at)
        with Control(config.parent / "state", healthy(), past()):
            terminal.until("well: all sinks are up", at)
            terminal.press("q")
            assert terminal.ends() == 0


def test_it_stands_back_at_ctrl_z_and_fits_a_screen_that_changes(control: Control) -> None:
    with Terminal(("top",)) as terminal:
        at = terminal.until(control.status["name"])
        terminal.resize(140, 40)
        terminal.process.send_signal(signal.SIGWINCH)
        at = terminal.until("odd quotes", at)
        terminal.process.send_signal(signal.SIGTSTP)
        at = terminal.until(LEAVE, at)
        terminal.process.send_signal(signal.SIGCONT)  # (it may not have stopped: nobody is there who could continue it)
        at = terminal.until(ENTER, at)
        terminal.until("odd quotes", at)
        terminal.press("q")
        assert terminal.ends() == 0
        assert terminal.restored


def test_no_color_is_respected(control: Control) -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal(("top", "--once"), environment=environment) as terminal:
            assert terminal.ends() == 0
            assert ("\x1b[1;31m" in terminal.text) is coloured
            assert ENTER not in terminal.text
    assert len(control.asked) == 4


def test_without_a_terminal_it_prints_one_picture_and_says_so(control: Control, tailrace: Run) -> None:
    assert control.status["now"] == NOW
    code, out, err = tailrace("top")
    assert (code, err) == (0, "standard output is no terminal, so this is one picture (--once)\n")
    assert out.startswith("shop  running for 6h 12m, process 4711")
    assert "02:26:30 UTC" in out.splitlines()[0]
    assert tailrace("top", "--once")[2] == ""


def test_without_a_daemon_it_says_what_shows_more(config: Path, tailrace: Run) -> None:
    code, out, err = tailrace("top")
    assert (code, out) == (1, "")
    assert err == (
        f"tailrace: {config.parent}/state: no tailrace is running with this state; `tailrace status` shows how it "
        "stands without one\n"
    )
