"""The log: formats, escaping, repeated warnings, failing streams."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tailrace.pipeline.settings import LogSettings
from tailrace.pipeline.telemetry import log

from ..inside import adjust

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
EVIL = "a\nb\x1b[2J\u202e\x9b\udcff"


def configured(monkeypatch: pytest.MonkeyPatch, **settings: str) -> io.StringIO:
    stream = io.StringIO()
    adjust(monkeypatch.setattr, log_configured=None)
    log.configure(LogSettings(**settings), stream)  # type: ignore[arg-type]  # literals, as parametrised strings
    return stream


def test_console_line_has_time_level_name_event_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    log.get_logger("tail").info("file opened", file="a.log", size=12, why="two words", nothing=None, empty="")
    expected = r' info    \[tail\] file opened file=a\.log size="12 bytes" why="two words" nothing=null empty=""\n'
    assert re.fullmatch(RFC3339 + expected, stream.getvalue())


def test_json_line_is_one_object_with_the_same_keys_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, format="json")
    log.get_logger("tail").warning("file truncated", file="a.log", sizes=(1, 2.5))
    event = json.loads(stream.getvalue())
    assert list(event) == ["timestamp", "level", "logger", "event", "file", "sizes"]
    assert re.fullmatch(RFC3339, event.pop("timestamp"))
    assert event == {
        "level": "warning", "logger": "tail", "event": "file truncated", "file": "a.log", "sizes": [1, 2.5],
    }  # fmt: skip


@pytest.mark.parametrize("style", ["console", "json"])
def test_case_083_nothing_from_a_log_reaches_the_stream_raw(monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    stream = configured(monkeypatch, format=style)
    log.get_logger(EVIL).info(EVIL, **{EVIL: EVIL}, nested={EVIL: [EVIL, EVIL.encode(errors="surrogateescape")]})
    (line,) = stream.getvalue().splitlines()
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800-\udfff]", line)
    if style == "json":
        assert json.loads(line)["nested"]


def test_case_084_a_value_cannot_forge_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    log.get_logger("tail").info("opened", file='x" user="root', other="a=b")
    assert stream.getvalue().endswith(' opened file="x\\" user=\\"root" other="a=b"\n')


def test_traceback_lines_are_indented_and_escaped_on_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    try:
        int("\x1b[31m")
    except ValueError as error:
        error.add_note("2026-01-01T00:00:00Z info forged\n2026 info forged \x1b[31m")
        log.get_logger("sink").exception("sink failed", sink="out")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error   [sink] sink failed sink=out")
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == "    2026 info forged \\x1b[31m"


def test_case_083_the_traceback_of_a_stage_is_shown_line_by_line_and_its_last_field_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = "Traceback (most recent call last):\n  File x\nValueError: \x1b[2J2026 info forged"
    stream = configured(monkeypatch)
    log.get_logger("engine").warning("line.dead", stage="mine", trace=trace, lines=3)
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("line.dead stage=mine lines=3")
    assert rest == [
        "    Traceback (most recent call last):",
        "      File x",
        "    ValueError: \\x1b[2J2026 info forged",
    ]
    stream = configured(monkeypatch, format="json")
    log.get_logger("engine").warning("line.dead", stage="mine", trace=trace)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["trace"] == trace


def test_sizes_are_readable_on_the_console_and_exact_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"size": 64 << 20, "bytes": {"seen": 3 << 29, "pending": 5}, "pending_bytes": 1, "offset": 123456789}
    stream = configured(monkeypatch)
    log.get_logger("tail").info("said", **fields)
    expected = 'said size="64.0 MiB" bytes="seen 1.5 GiB, pending 5 bytes" pending_bytes="1 byte" offset=123456789\n'
    assert stream.getvalue().endswith(expected)
    stream = configured(monkeypatch, format="json")
    log.get_logger("tail").info("said", **fields)
    assert fields.items() <= json.loads(stream.getvalue()).items()


def test_traceback_of_a_given_exception_is_a_string_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, format="json")
    log.get_logger("sink").error("sink failed", exc_info=ValueError("two\nlines"))
    assert json.loads(stream.getvalue())["exception"] == "ValueError: two\nlines"


def test_lines_below_the_level_are_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, level="warning")
    logger = log.get_logger("tail")
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")
    assert re.findall(r"\] (\w)", stream.getvalue()) == ["c", "d"]
    assert [logger.is_enabled_for(level) for level in log.LEVELS] == [False, False, True, True]


def test_repeated_warnings_are_counted_and_told_at_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    logger = log.get_logger("tail")
    for _ in range(5):
        logger.warning("cannot open", file="a")
        logger.error("an error is always said")
    log.tick()
    assert stream.getvalue().count("cannot open") == 1
    assert stream.getvalue().count("always said") == 5
    log.flush()
    assert stream.getvalue().endswith("cannot open file=a repeated=4\n")


def test_fields_named_like_our_own_keys_do_not_replace_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, format="json")
    log.get_logger("tail").info("opened", **{"event": "x", "level": "y", "timestamp": "z"})
    event = json.loads(stream.getvalue())
    assert (event["event"], event["level"], event["event_"], event["level_"]) == ("opened", "info", "x", "y")


def test_a_value_whose_text_raises_is_named_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    cycle: list[object] = []
    cycle.append(cycle)
    stream = configured(monkeypatch)
    log.get_logger("tail").info("opened", bad=Bad(), cycle=cycle)
    assert '"<Bad, whose text raised RuntimeError>"' in stream.getvalue()
    assert "..." in stream.getvalue()


def test_a_closed_stream_is_counted_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    stream.close()
    log.get_logger("tail").error("opened")
    assert log.lost() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_case_080_a_full_disk_is_counted_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, log_configured=None)
    stream = open("/dev/full", "w")  # noqa: SIM115 - closing it raises, see below
    log.configure(LogSettings(), stream)
    log.get_logger("tail").error("opened")
    assert log.lost() == 1
    with pytest.raises(OSError, match="No space"):
        stream.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_only_where_they_are_wanted(environ: dict[str, str], coloured: bool) -> None:
    assert log.use_colour(Terminal(), environ) is coloured
    assert not log.use_colour(io.StringIO(), environ)
    line = log.console_line({"timestamp": "t", "level": "info", "logger": "l", "event": "e"}, coloured)
    assert ("\x1b[" in line) is coloured


def test_importing_the_log_does_not_import_structlog() -> None:
    code = "import sys, tailrace.pipeline.telemetry.log as l; l.get_logger('a').debug('x'); "
    code += "sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
