"""parse.w3c: IIS, CloudFront, Exchange and others."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Origin, Skip
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.w3c import W3c

from .hostile_lines import lines_like

IIS = """\
#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-03-27 13:00:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs(User-Agent) sc-status time-taken
2026-03-27 13:06:56 192.0.2.1 GET /a - 443 Mozilla/5.0+(X11) 200 15
2026-03-27 13:06:57 192.0.2.1 GET /b q=%20 443 - 404 0"""
CLOUDFRONT = (
    "#Version: 1.0\n#Fields: date time sc-bytes c-ip cs-method sc-status cs(User-Agent) time-taken\n"
    "2026-03-27\t13:06:56\t335\t192.0.2.7\tGET\t000\tSlack%20(+https://example.com)\t0.338"
)
EXCHANGE = (
    "#Log-type: SMTP Receive Protocol Log\n#Fields: date-time,connector-id,sequence-number,event,data,context\n"
    '2026-03-27T13:06:56.123Z,"EXCHANGE\\Default, ""front""",7,-,,Local'
)


def stage(room: int = 1 << 20, **options: Any) -> W3c:
    made = W3c(**options)
    made.memory = StageMemory(Room(room))  # type: ignore[misc, assignment]
    return made


def shown(entry: Any) -> Any:
    if isinstance(entry, Skip):
        return entry.reason
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def parsed(text: str, where: Origin | None = None, of_stage: W3c | None = None, **options: Any) -> list[Any]:
    return [shown(entry) for entry in (of_stage or stage(**options)).parse(of(text, where))]


def test_iis() -> None:
    *headers, first, second = parsed(IIS)
    assert headers == ["header"] * 4
    assert first == {
        "timestamp": "2026-03-27T13:06:56Z",
        "s-ip": "192.0.2.1",
        "cs-method": "GET",
        "cs-uri-stem": "/a",
        "cs-uri-query": None,
        "s-port": "443",
        "cs(User-Agent)": "Mozilla/5.0+(X11)",
        "sc-status": 200,
        "time-taken": 15,
    }
    assert (second["cs-uri-query"], second["cs(User-Agent)"], second["sc-status"]) == ("q=%20", None, 404)


def test_cloudfront_has_tabs_behind_names_that_blanks_separate() -> None:
    assert parsed(CLOUDFRONT)[-1] == {
        "timestamp": "2026-03-27T13:06:56Z",
        "sc-bytes": 335,
        "c-ip": "192.0.2.7",
        "cs-method": "GET",
        "sc-status": 0,
        "cs(User-Agent)": "Slack%20(+https://example.com)",
        "time-taken": 0.338,
    }
    (*_, with_blank) = parsed(CLOUDFRONT.replace("%20", " "))
    assert with_blank["cs(User-Agent)"] == "Slack (+https://example.com)"


def test_exchange_has_commas_and_quotes_and_a_dash_that_is_a_value() -> None:
    assert parsed(EXCHANGE)[-1] == {
        "timestamp": "2026-03-27T13:06:56.123Z",
        "connector-id": 'EXCHANGE\\Default, "front"',
        "sequence-number": "7",
        "event": "-",
        "data": None,
        "context": "Local",
    }


@pytest.mark.parametrize(
    ("header", "line", "expected"),
    [
        ("a\tb", "x y\t-", {"a": "x y", "b": None}),
        ("a b", '"x ""y"" z" "-"', {"a": 'x "y" z', "b": None}),
        ("a b", 'x"y "z', {"a": 'x"y', "b": '"z'}),
        ("a b", "x\ty", {"a": "x", "b": "y"}),
        ("a b", "x\ty z", {"a": "x", "b": "y z"}),
        ("a b", "x\ty\tz -", {"a": "x\ty\tz", "b": None}),
        ("a", "x", {"a": "x"}),
        ("a, b", 'x,"y,z"', {"a": "x", "b": "y,z"}),
        ("date time timestamp", "2026-03-27 x y", {"date": "2026-03-27", "time": "x", "timestamp": "y"}),
        ("time a", "13:06:56 x", {"time": "13:06:56", "a": "x"}),
        ("date time", "- 13:06:56", {"timestamp": None}),
    ],
)
def test_values_are_cut_as_the_names_are(header: str, line: str, expected: dict[str, Any]) -> None:
    assert parsed(f"#Fields: {header}\n{line}")[1] == expected


def test_options_decode_keep_and_convert() -> None:
    event = parsed(
        IIS,
        keep_date_time=True,
        plus_decode=["cs(User-Agent)"],
        percent_decode=["cs-uri-query"],
        types={"s-port": "int", "time-taken": "string"},
        timezone="Europe/Berlin",
    )[-1]
    assert (event["date"], event["time"], event["timestamp"]) == ("2026-03-27", "13:06:57", "2026-03-27T12:06:57Z")
    assert (event["cs-uri-query"], event["s-port"], event["time-taken"]) == ("q= ", 443, "0")
    assert parsed(IIS, plus_decode=["cs(User-Agent)"])[4]["cs(User-Agent)"] == "Mozilla/5.0 (X11)"


def test_a_new_header_in_the_middle_holds_from_there_on() -> None:
    entries = parsed("#Fields: a b\n1 2\n#Fields: b c d\n#Remark: x\n3 4 5\n#Fields: a b\n6 7")
    events = [entry for entry in entries if entry != "header"]
    assert events == [{"a": "1", "b": "2"}, {"b": "3", "c": "4", "d": "5"}, {"a": "6", "b": "7"}]


@settings(max_examples=300)
@given(
    lines_like(*IIS.split("\n"), *CLOUDFRONT.split("\n"), *EXCHANGE.split("\n"), "#Fields: a b", '"a b" c', "x y", "#"),
    st.integers(0, 8),
)
def test_pieces_and_lines_give_what_the_whole_gives(lines: list[str], cut: int) -> None:
    """Whatever stands in one piece, and with a memory that was written and read between two of them."""
    whole = parsed("\n".join(lines))
    alone, halves = stage(), stage()
    assert [parsed(line, of_stage=alone)[0] for line in lines] == whole
    first, second = lines[:cut], lines[cut:]
    entries = parsed("\n".join(first), of_stage=halves) if first else []
    later = stage()
    later.memory = dict(halves.memory)  # type: ignore[misc, assignment]
    assert entries + (parsed("\n".join(second), of_stage=later) if second else []) == whole


def test_streams_have_headers_of_their_own() -> None:
    one, other = origin(key="1", path="/a"), origin(key="2", path="/b")
    both = stage()
    parsed("#Fields: a", one, both)
    parsed("#Fields: b", other, both)
    assert parsed("x", one, both) == [{"a": "x"}]
    assert parsed("x", other, both) == [{"b": "x"}]


def test_a_file_without_a_header_goes_by_the_last_one_of_its_path_and_then_by_the_option() -> None:
    made = stage(fields="z")
    for number, name in enumerate("ab"):
        parsed(f"#Fields: {name}", origin(key=str(number), path="/log", now=number), made)
    assert parsed("x", origin(key="new", path="/log"), made) == [{"b": "x"}]
    assert parsed("x", origin(key="other", path="/other"), made) == [{"z": "x"}]
    ((code, why),) = parsed("x")
    assert (code, why) == (
        "no_match",
        "no #Fields line stands before this one; the key `fields` can tell the names: 'x'",
    )


def test_headers_of_files_not_in_use_for_long_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.stages.parse.w3c._STREAMS", 8)
    made = stage()
    for number in range(50):
        parsed("#Fields: a", origin(key=str(number), path=str(number), now=number), made)
        parsed("x", origin(key="0", path="0", now=number * 90_000), made)  # one that is in use each day
    assert len(made.memory) <= 8
    assert parsed("x", origin(key="0", path="0"), made) == [{"a": "x"}]
    assert parsed("x", origin(key="49", path="49"), made) == [{"a": "x"}]


def test_headers_that_do_not_fit_push_out_older_ones() -> None:
    made = stage(room=200)
    for number in range(20):
        parsed("#Fields: a b c d e f", origin(key=str(number), path="/a-path", now=number), made)
    assert parsed("1 2 3 4 5 6", origin(key="19"), made)[0]["f"] == "6"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("#Fields:", "expected names, found ''"),
        ("#Fields: a,,b", "expected names, found 'a,,b'"),
        ("#fields: a b a", "'a' stands there twice"),
        ("#Fields: " + " ".join(map(str, range(1001))), "more than 1000 names"),
        ("#Fields: " + "x" * 40_000, "longer than 32768 characters"),
    ],
)
def test_a_bad_header_fails_and_so_does_what_follows(header: str, why: str) -> None:
    _, fault, line = parsed(f"#Fields: a\n{header}\nx")
    assert fault == ("no_match", f"#Fields: {why}")
    assert line[0] == "no_match"


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        (
            "2026-03-27 13:06:56",
            "no_match",
            "expected 3 values, as #Fields has names, with a blank between them; found 2",
        ),
        ("a b c d", "no_match", "found 4 at column 1: 'a b c d'"),
        ("2026-02-30 13:06:56 1", "bad_timestamp", "timestamp: '2026-02-30 13:06:56' does not match"),
        ("2026-03-27 13:06:56 many", "bad_type", "sc-bytes: 'many' is not an int"),
    ],
)
def test_a_line_that_does_not_fit_tells_why_and_others_go_on(line: str, code: str, why: str) -> None:
    good = "2026-03-27 13:06:56 7"
    _, before, failed, after = parsed(f"#Fields: date time sc-bytes\n{good}\n{line}\n{good}")
    assert before == after == {"timestamp": "2026-03-27T13:06:56Z", "sc-bytes": 7}
    assert failed[0] == code
    assert why in failed[1]


def test_wrong_options_are_told() -> None:
    with pytest.raises(ValueError, match=r"fields: 'a' stands there twice\n.*plus_decode: 'x' is in percent_decode"):
        W3c(fields="a a", percent_decode=["x"], plus_decode=["x"])


@pytest.mark.parametrize(
    "line", ['"' * 100_000, '"a "' * 30_000, '"" ""' * 20_000, '"a"" ' * 20_000, " " * 100_000, "\t" * 100_000]
)
def test_hostile_line_takes_linear_time(line: str) -> None:
    made = stage(fields="a b")
    started = time.process_time()
    made.parse(of(line))
    assert time.process_time() - started < 1.0


def test_local_times_that_are_read_as_utc_are_told() -> None:
    header = "#Time Format: Local"
    text = f"{header}\n#Fields: date time action\n2026-02-02 11:30:45 DROP"
    told, _, event = parsed(text)
    assert told[0] == "bad_timestamp"
    assert "set `timezone`" in told[1]
    assert event == {"timestamp": "2026-02-02T11:30:45Z", "action": "DROP"}
    assert parsed(text, timezone="Europe/Berlin")[::2] == [
        "header",
        {"timestamp": "2026-02-02T10:30:45Z", "action": "DROP"},
    ]
