"""The dead-letter commands: what they show, what they never let through, and that they only read."""

import base64
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from tailrace.pipeline.cli.dlq import parse_since
from tailrace.pipeline.errors import UsageError

from ..inside import adjust
from ..permissions import bound_by_permissions
from .conftest import Run

Put = Callable[..., None]
EVIL = "\x1b[2J\u202eevil\r\x9b"


def test_list_shows_the_newest_first(put: Put, tailrace: Run) -> None:
    put()
    put(stage="enrich.set", error="raised", why="None // 100")
    code, out, err = tailrace("dlq", "list")
    assert code == 0
    assert err == ""
    header, *rows = out.splitlines()
    assert header.split() == ["id", "time", "stage", "error", "file", "offset", "line", "why"]
    assert [row.split()[:5] for row in rows] == [
        ["2", "2020-09-13T12:26:40Z", "enrich.set", "raised", "access.log"],
        ["1", "2020-09-13T12:26:40Z", "parse.combined", "no_match", "access.log"],
    ]


def test_a_long_reason_is_cut_visibly(put: Put, tailrace: Run) -> None:
    put(why="because " * 50)
    (row,) = tailrace("dlq", "list")[1].splitlines()[1:]
    assert row.endswith("because becaus…")
    assert len(row) < 260


def test_list_shows_how_the_line_begins_beside_the_reason(put: Put, tailrace: Run) -> None:
    put(raw=b"caf\xe9 " + b"x" * 1000, why="the reason")
    put(raw=b"", why="\t")
    first, second = tailrace("dlq", "list")[1].splitlines()[1:]
    assert first.endswith("  \\t")
    assert "  caf\\xe9 " + "x" * 145 + "…  the reason" in second


def test_list_show_and_export_can_be_asked_for_some_ids(put: Put, tailrace: Run) -> None:
    for _ in range(4):
        put()
    assert [row.split()[0] for row in tailrace("dlq", "list", "--id", 4, "--id", 2)[1].splitlines()[1:]] == ["4", "2"]
    assert [orjson.loads(line)["id"] for line in tailrace("dlq", "export", "--id", 3)[1].splitlines()] == [3]
    assert tailrace("dlq", "list", "--id", "9" * 30)[0] == 2


def test_list_is_limited_and_says_so(put: Put, tailrace: Run) -> None:
    for _ in range(60):
        put()
    _, out, err = tailrace("dlq", "list")
    assert len(out.splitlines()) == 51
    assert err == "the newest 50 of 60; --limit 0 shows all\n"
    assert len(tailrace("dlq", "list", "--limit", 3)[1].splitlines()) == 4
    assert len(tailrace("dlq", "list", "--limit", 0)[1].splitlines()) == 61


def test_filters_are_combined(put: Put, tailrace: Run) -> None:
    put(time=1000.0)
    put(time=2000.0)
    put(time=3000.0, error="bad_type")
    put(time=4000.0, stage="enrich.set")

    def listed(*options: str) -> list[int]:
        return [int(row.split()[0]) for row in tailrace("dlq", "list", *options)[1].splitlines()[1:]]

    assert listed("--stage", "parse.combined") == [3, 2, 1]
    assert listed("--stage", "parse.combined", "--error", "no_match") == [2, 1]
    assert listed("--since", "1970-01-01T00:33:20") == [4, 3, 2]
    assert listed("--since", "1970-01-01T00:33:20Z", "--error", "no_match", "--limit", "1") == [4]


def test_since_is_a_duration_or_a_time() -> None:
    assert parse_since("30m", 10_000.0) == 8200.0
    assert parse_since("1970-01-02", 0.0) == 86400.0
    assert parse_since("1970-01-02T00:00+01:00", 0.0) == 82800.0
    with pytest.raises(UsageError, match="expected a duration"):
        parse_since("yesterday\x1b", 0.0)


def test_stats_count_by_stage_and_error(put: Put, tailrace: Run) -> None:
    for time in (1.0, 3.0, 2.0):
        put(time=time, raw=b"x" * 1000)
    put(error="bad_type", time=4.0)
    _, out, _ = tailrace("dlq", "stats")
    rows = [row.split() for row in out.partition("\n\n")[0].splitlines()]
    assert rows == [
        ["stage", "error", "letters", "size", "first", "last"],
        ["parse.combined", "no_match", "3", "2.9", "KiB", "1970-01-01T00:00:01Z", "1970-01-01T00:00:03Z"],
        ["parse.combined", "bad_type", "1", "9", "bytes", "1970-01-01T00:00:04Z", "1970-01-01T00:00:04Z"],
        ["all", "4", "2.9", "KiB"],
    ]


@pytest.mark.parametrize(
    ("when_full", "words"), [("block", "the pipeline waits"), ("drop_oldest", "the oldest are dropped")]
)
def test_stats_tell_how_much_room_is_taken_and_what_happens_without(
    put: Put, tailrace: Run, config: Path, when_full: str, words: str
) -> None:
    with config.open("a") as file:
        file.write(f'[dead_letters]\nmax_bytes = "2MiB"\nwhen_full = "{when_full}"\n')
    put(size=1 << 20)
    put(size=1 << 18, stage="enrich.set")
    room = [
        "room taken  1.2 MiB of 2.0 MiB (dead_letters.max_bytes), 62.5%",
        f'when full   {words} (dead_letters.when_full = "{when_full}")',
    ]
    assert tailrace("dlq", "stats")[1].splitlines()[-2:] == room
    assert tailrace("dlq", "stats", "--stage", "enrich.set")[1].splitlines()[-2:] == room, "of all, whatever is shown"


@pytest.mark.parametrize("verb", [["list"], ["stats"], ["export"], ["show", "1"]])
def test_case_044_a_state_of_a_newer_tailrace_is_refused(
    state: sqlite3.Connection, put: Put, tailrace: Run, verb: list[str]
) -> None:
    put()
    state.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
    state.execute("DELETE FROM dead_letters")  # a newer one may keep them elsewhere
    code, out, err = tailrace("dlq", *verb)
    assert (code, out) == (1, "")
    assert "its schema version is 3, this tailrace knows 1 and 2" in err
    assert "use the tailrace that made it" in err


def test_looking_leaves_nothing_beside_the_state(
    state: sqlite3.Connection, put: Put, tailrace: Run, config: Path
) -> None:
    put()
    state.close()
    before = sorted(path.name for path in (config.parent / "state").iterdir())
    assert tailrace("dlq", "list")[0] == 0
    assert sorted(path.name for path in (config.parent / "state").iterdir()) == before == ["tailrace.sqlite"]


def test_case_076_show_tells_all_about_one(put: Put, tailrace: Run) -> None:
    put(
        raw=b"some line", length=100, event='{"a": [1, "x"]}', trace="Traceback:\n  File x\nValueError: y",
        sink="413 too large",
    )  # fmt: skip
    code, out, _ = tailrace("dlq", "show", 1)
    assert code == 0
    assert out.splitlines() == [
        "id            1",
        "time          2020-09-13T12:26:40.500Z",
        "stage         parse.combined",
        "error         no_match",
        "why           does not fit",
        "attempts      1",
        "file          access.log",
        "path          /var/log/access.log",
        "file id       3",
        "offset        1234",
        "length        100 bytes, the first 9 bytes kept",
        "event id      3:1234",
        "sink's words  413 too large",
        "config        abc",
        "line",
        "  some line",
        "event",
        "  {",
        '    "a": [',
        "      1,",
        '      "x"',
        "    ]",
        "  }",
        "traceback",
        "  Traceback:",
        "    File x",
        "  ValueError: y",
    ]


def test_case_076_show_dumps_the_bytes_of_a_binary_line(put: Put, tailrace: Run) -> None:
    put(raw=b"caf\xe9\x00 " + b"x" * 2000, length=2006)
    lines = tailrace("dlq", "show", 1)[1].splitlines()
    assert lines[lines.index("line") + 1].startswith("  caf\\xe9\\x00 xxx")
    assert lines[lines.index("bytes") + 1] == (
        "  00000000  63 61 66 e9 00 20 78 78 78 78 78 78 78 78 78 78  caf.. xxxxxxxxxx"
    )
    assert lines[-1] == "  ... 982 bytes more; `tailrace dlq export` gives them all"


def test_case_083_nothing_of_a_dead_letter_reaches_the_terminal_raw(put: Put, tailrace: Run) -> None:
    put(
        why=EVIL, file=EVIL, path=EVIL, raw=EVIL.encode(), event=json.dumps({EVIL: EVIL}, ensure_ascii=False),
        trace=EVIL, sink=EVIL, stage=EVIL, error=EVIL,
    )  # fmt: skip
    for command in (["list"], ["stats"], ["show", 1], ["export"]):
        _, out, _ = tailrace("dlq", *command)
        assert "evil" in out
        assert not set(out) & set("\x1b\u202e\r\x9b")


def test_case_076_export_gives_the_original_bytes_oldest_first(put: Put, tailrace: Run) -> None:
    put(raw=EVIL.encode(), length=len(EVIL.encode()), event='{"a": 1}')
    put(raw=b"\xff\x00\xfe", length=5, event="no json")
    first, second = map(orjson.loads, tailrace("dlq", "export")[1].splitlines())
    assert (first["raw"], first["cut"], first["event"]) == (EVIL, False, {"a": 1})
    assert (base64.b64decode(second["raw_base64"]), second["cut"], second["event"]) == (
        b"\xff\x00\xfe",
        True,
        "no json",
    )
    assert first["time"] == "2020-09-13T12:26:40.500Z"
    assert "raw" not in second


def test_export_reads_in_portions_and_keeps_to_the_limit(
    put: Put, tailrace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjust(monkeypatch.setattr, letters_at_once=2)
    for _ in range(7):
        put()
    ids = [orjson.loads(line)["id"] for line in tailrace("dlq", "export")[1].splitlines()]
    assert ids == [1, 2, 3, 4, 5, 6, 7]
    assert len(tailrace("dlq", "export", "--limit", 5)[1].splitlines()) == 5


def test_without_dead_letters_each_verb_says_so(state: sqlite3.Connection, tailrace: Run) -> None:
    assert state
    for verb in ("list", "export"):
        assert tailrace("dlq", verb) == (0, "", "no dead letters\n")
    code, out, err = tailrace("dlq", "stats")
    assert (code, err) == (0, "no dead letters\n")
    assert out.startswith("room taken  0 bytes of 256.0 MiB (dead_letters.max_bytes), 0.0%\n")
    code, out, err = tailrace("dlq", "show", 7)
    assert (code, out) == (1, "")
    assert err == "tailrace: there is no dead letter 7; `tailrace dlq list` shows which there are\n"


def test_without_a_state_file_it_says_where_it_looked_and_makes_none(config: Path, tailrace: Run) -> None:
    code, out, err = tailrace("dlq", "list", "-c", config)
    assert (code, out) == (1, "")
    assert err.startswith(f"tailrace: {config.parent}/state/tailrace.sqlite: there is no state file; nothing was run")
    assert not (config.parent / "state").exists()


def test_case_044_a_damaged_state_file_is_named_and_left_alone(config: Path, tailrace: Run) -> None:
    path = config.parent / "state" / "tailrace.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 1000)
    code, _, err = tailrace("dlq", "list")
    assert code == 1
    assert "cannot be read: file is not a database" in err
    assert path.read_bytes() == b"no database at all" * 1000


def test_it_reads_beside_a_daemon_in_the_middle_of_a_transaction(
    state: sqlite3.Connection, put: Put, tailrace: Run
) -> None:
    put()
    state.execute("BEGIN IMMEDIATE")
    put()
    assert len(tailrace("dlq", "export")[1].splitlines()) == 1
    state.execute("COMMIT")
    assert len(tailrace("dlq", "export")[1].splitlines()) == 2


def test_it_reads_where_it_may_not_write(state: sqlite3.Connection, put: Put, tailrace: Run, config: Path) -> None:
    put()
    state.close()
    (config.parent / "state").chmod(0o500)
    try:
        assert len(bound_by_permissions(lambda: tailrace("dlq", "export"))[1].splitlines()) == 1
    finally:
        (config.parent / "state").chmod(0o700)


def test_none_that_fit_is_told_from_none_at_all(put: Put, tailrace: Run) -> None:
    put()
    put()
    for verb in ("list", "export", "stats"):
        code, _, err = tailrace("dlq", verb, "--stage", "parse.jsn")
        assert (code, err) == (0, "none of the 2 dead letters fits; `tailrace dlq stats` shows what there is\n")


def test_wrong_use_is_exit_code_2(state: sqlite3.Connection, tailrace: Run) -> None:
    assert state
    assert tailrace("dlq", "list", "--since", "soon")[0] == 2
    assert tailrace("dlq", "list", "--limit", "-1")[0] == 2
    code, _, err = tailrace("dlq", "show", "first")
    assert code == 2
    assert "'first' is not the number of a dead letter; `tailrace dlq list` shows the numbers" in err
    code, _, err = tailrace("dlq", "list", "--lmit", 1)
    assert code == 2
    assert err.startswith("usage: tailrace dlq list ")
    assert tailrace("dlq")[0] == 2
