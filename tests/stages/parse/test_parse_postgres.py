"""parse.postgres: log_line_prefix, levels, csvlog."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail, Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.postgres import Postgres

from .hostile_lines import lines_like

BERLIN = "Europe/Berlin"
USUAL = "2022-01-30 00:08:42.390 UTC [15462] LOG:  checkpoint starting: time"
LONG_PREFIX = "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "
LONG = (
    "2022-07-30 00:08:42 CEST [77]: [3-1] user=ann,db=shop,app=psql - a, b,client=192.0.2.7 "
    'ERROR:  relation "x" does not exist at character 15'
)
DEBIAN = "%m [%p] %q%u@%d "
CSV = (
    '2022-01-30 00:08:42.390 UTC,"ann","shop",15462,"192.0.2.7:51234",61f5d5da.3c66,3,"SELECT",2022-01-30 00:08:26 UTC,'
    '3/12,0,ERROR,42P01,"relation ""x"" does not exist",,"a hint",,,,"select * from x",15,,"psql","client backend",,0'
)


def one(line: str, **options: Any) -> Any:
    (entry,) = Postgres(**options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def test_the_prefix_that_is_the_default() -> None:
    event = {
        "timestamp": "2022-01-30T00:08:42.390Z",
        "pid": 15462,
        "level": "LOG",
        "message": "checkpoint starting: time",
    }
    assert one(USUAL) == event
    assert list(one(USUAL)) == list(event)


def test_a_prefix_with_the_session() -> None:
    assert one(LONG, prefix=LONG_PREFIX, timezone=BERLIN) == {
        "timestamp": "2022-07-29T22:08:42Z",
        "pid": 77,
        "session_line": 3,
        "user": "ann",
        "database": "shop",
        "application": "psql - a, b",
        "client": "192.0.2.7",
        "level": "ERROR",
        "message": 'relation "x" does not exist at character 15',
    }
    empty = "2022-07-30 00:08:42 UTC [77]: [3-1] user=,db=,app=,client= LOG:  x"
    unknown = "2022-07-30 00:08:42 UTC [77]: [3-1] user=[unknown],db=[unknown],app=[unknown],client=[local] LOG:  x"
    for line, client in ((empty, None), (unknown, "[local]")):
        event = one(line, prefix=LONG_PREFIX)
        assert (event["user"], event["database"], event["application"], event["client"]) == (None, None, None, client)


@pytest.mark.parametrize(
    ("prefix", "head", "fields"),
    [
        (DEBIAN, "2022-01-30 00:08:42.390 UTC [1] ann@shop ", {"user": "ann", "database": "shop"}),
        (DEBIAN, "2022-01-30 00:08:42.390 UTC [1] ", {"user": None, "database": None}),
        (
            "%r %a: ",
            "192.0.2.7(5432) PostgreSQL JDBC Driver: ",
            {"client_port": 5432, "application": "PostgreSQL JDBC Driver"},
        ),
        ("%r ", "[local] ", {"client": "[local]", "client_port": None}),
        ("%h %r ", "::1 ::1(5432) ", {"client": "::1", "client_port": 5432}),
        ("<%u> ", "<[unknown]> ", {"user": None}),
        ("[%u] ", "[[unknown]] ", {"user": None}),
        ("[%u] ", "[ann] ", {"user": "ann"}),
        ("%n ", "1427461616.123 ", {"timestamp": "2015-03-27T13:06:56.123Z"}),
        ("%s %c ", "2022-01-30 00:08:26 UTC 61f5d5da.3c66 ", {"session_start": "2022-01-30T00:08:26Z"}),
        ("%i|%e|%v|%x|%b|%P|%Q|", "CREATE TABLE|42P01|3/12|7|client backend||-5|", {"command": "CREATE TABLE"}),
        ("%i|%e|%v|%x|%b|%P|%Q|", "|00000||0|checkpointer|9|0|", {"virtual_transaction": None, "leader_pid": 9}),
        ("%-10u|%6p|", "ann       |    12|", {"user": "ann", "pid": 12}),
        ("%-6u  %-6d %6p ", "ann     shop       12 ", {"user": "ann", "database": "shop", "pid": 12}),
        ("%-6u %-6d|", "ann          |", {"user": "ann", "database": None}),
        ("%-12a|", "a b         |", {"application": "a b"}),
        ("%t %m [%p", "2022-01-30 00:08:42 UTC 2022-01-30 00:08:42.390 UTC [1", {"timestamp": "2022-01-30T00:08:42Z"}),
        ("100%% %p ", "100% 5 ", {"pid": 5}),
        ("%m [%p]", "2022-01-30 00:08:42.390 -03 [1] ", {"timestamp": "2022-01-30T03:08:42.390Z"}),
        ("", "", {}),
    ],
)
def test_escapes_of_the_prefix(prefix: str, head: str, fields: dict[str, Any]) -> None:
    event = one(f"{head}LOG:  connection from a@b c: x", prefix=prefix)
    assert isinstance(event, dict), event
    assert (event["level"], event["message"]) == ("LOG", "connection from a@b c: x")
    assert {name: event[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("text", "level", "message"),
    [
        ("DETAIL:  Key (id)=(1) already exists.", "DETAIL", "Key (id)=(1) already exists."),
        ("STATEMENT:  select 1", "STATEMENT", "select 1"),
        ("DEBUG5:  x", "DEBUG5", "x"),
        ("LOG:    x", "LOG", "  x"),
        ("LOG:", "LOG", ""),
        ("FEHLER:  x", "FEHLER", "x"),
        ("INSTRUCTION :  x", "INSTRUCTION", "x"),
        ("ОШИБКА:  x", "ОШИБКА", "x"),
        ("错误:  x", "错误", "x"),
    ],
)
def test_levels_also_in_other_languages(text: str, level: str, message: str) -> None:
    event = one(f"2022-01-30 00:08:42.390 UTC [1] {text}")
    assert (event["level"], event["message"]) == (level, message)


def test_lines_that_were_joined() -> None:
    (event,) = Postgres().parse(Lines.of([f"{USUAL}\n\tand more".encode()], origin()))
    assert isinstance(event, dict)
    assert event["message"] == "checkpoint starting: time\n\tand more"


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("\tfrom x", "no_match", "begins with a tab: it goes on with the message of the line before"),
        ("2022-01-30 00:08:42.390 UTC [x] LOG:  x", "no_match", "it goes wrong at column 30: 'x] LOG:  x'"),
        (
            "2022-01-30 00:08:42.390 UTC [1] Hello: x",
            "no_match",
            "expected the prefix '%m [%p] ' and a level such as LOG:",
        ),
        ("junk", "no_match", "such as LOG: at column 1: 'junk'"),
        (
            "2022-01-30 00:08:42.390 CET [1] LOG:  x",
            "bad_timestamp",
            "timestamp: '2022-01-30 00:08:42.390 CET': 'CET' is",
        ),
        ("2022-02-30 00:08:42.390 UTC [1] LOG:  x", "bad_timestamp", "timestamp: '2022-02-30"),
    ],
)
def test_bad_line_tells_why(line: str, code: str, why: str) -> None:
    told = one(line)
    assert told[0] == code
    assert why in told[1]


def test_csvlog() -> None:
    event = one(CSV, format="csv")
    assert {name: value for name, value in event.items() if value is not None} == {
        "timestamp": "2022-01-30T00:08:42.390Z",
        "user": "ann",
        "database": "shop",
        "pid": 15462,
        "client": "192.0.2.7",
        "client_port": 51234,
        "session": "61f5d5da.3c66",
        "session_line": 3,
        "command": "SELECT",
        "session_start": "2022-01-30T00:08:26Z",
        "virtual_transaction": "3/12",
        "transaction": 0,
        "level": "ERROR",
        "sqlstate": "42P01",
        "message": 'relation "x" does not exist',
        "hint": "a hint",
        "query": "select * from x",
        "query_position": 15,
        "application": "psql",
        "backend": "client backend",
        "query_id": 0,
    }
    assert event["detail"] is None
    assert one(CSV.rsplit(",", 3)[0], format="csv")["application"] == "psql", "as version 12 wrote it"


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("a,b", "no_match", "expected 23, 24 or 26 columns of csvlog, found 2"),
        (CSV.rsplit('does not exist"', 1)[0], "no_match", "a quote is open where the line ends"),
        (CSV.replace('"ann"', '"ann"x'), "no_match", "expected a record of CSV: ',' expected after"),
        (CSV.replace("15462", "x"), "bad_type", "pid: 'x' is not an int"),
        (CSV.replace("01-30", "02-30"), "bad_timestamp", "timestamp: '2022-02-30"),
    ],
)
def test_bad_csv_tells_why(line: str, code: str, why: str) -> None:
    told = one(line, format="csv")
    assert told[0] == code
    assert why in told[1]


def test_a_quoted_newline_in_csv() -> None:
    record = CSV.replace("select *", "select\n *").encode()
    (event,) = Postgres(format="csv").parse(Lines.of([record], origin()))
    assert isinstance(event, dict)
    assert event["query"] == "select\n * from x"
    entries = Postgres(format="csv").parse(of(record + b"\n" + CSV.encode()))
    assert [isinstance(entry, Fail) for entry in entries] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": "%m %y"}, "prefix: '%y' is no escape of log_line_prefix; known: %a %u"),
        ({"prefix": "%m %"}, "prefix: '%' is no escape"),
        ({"prefix": "%q%u%q"}, "prefix: %q stands twice"),
        ({"timezone": "Nowhere"}, "timezone: 'Nowhere' is unknown"),
    ],
)
def test_wrong_options_are_told(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Postgres(**options)  # type: ignore[arg-type]


@settings(max_examples=150)
@given(lines_like(USUAL, LONG, "\tmore", USUAL.replace("01-30", "02-30"), USUAL.replace("[", "[] ")), lines_like(CSV))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None],
    same_beside_several_lines: Callable[[Parse, list[str]], None],
    lines: list[str],
    records: list[str],
) -> None:
    for same in (same_line_by_line, same_beside_several_lines):
        same(Postgres(), lines)
        same(Postgres(prefix=LONG_PREFIX, timezone=BERLIN), lines)
        same(Postgres(format="csv"), records)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("%m [%p] ", "2022-01-30 00:08:42.390 UTC [1] " + "A" * 100_000),
        ("%a %b %i ", " " * 100_000),
        ("%a %b %i ", ("a " * 100 + "\n") * 20 + "x"),
        ("%u@%d %h ", "@" * 100_000),
        ("%-9u%-9u%-9u", " " * 100_000),
    ],
)
def test_hostile_text_takes_little_time(prefix: str, text: str) -> None:
    started = time.process_time()
    Postgres(prefix=prefix).parse(of(text))
    Postgres(format="csv").parse(of('"' + text))
    assert time.process_time() - started < 1.0
