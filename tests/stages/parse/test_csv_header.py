"""parse.csv with ``header = true``: the first line of a file, known in all its pieces, after restarts and rotation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Skip
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.cli.main import main
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.state.store import State
from tailrace.pipeline.testing.doubles import ListSource, MemorySink, origin
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse import csv
from tailrace.stages.parse.csv import Csv

from ...configuration import configuration, to_file
from ...engine.engine_kit import Pipeline
from ...engine.state_kit import through_crashes
from .conftest import plain

PARSE = StageSpec("parse.csv", "parse.csv", "parse", {"header": True})
CONFIG = configuration({"use": "parse.csv", "header": True}, to_file(), source={"paths": ["*.csv*"]})


def stage(room: int = 1 << 20, **options: Any) -> Csv:
    made = Csv(header=True, **options)
    made.memory = StageMemory(Room(room))
    return made


def parsed(made: Csv, text: str, place: int = 0, **where: Any) -> list[Any]:
    return [
        entry.reason if isinstance(entry, Skip) else plain(entry)
        for entry in made.parse(of(text, origin(places=[place], **where)))
    ]


def test_first_line_names_the_columns_and_is_no_event() -> None:
    made = stage(types={"a": "int", "not there": "int"})
    assert parsed(made, 'a, "b" ,\n1,2,3') == ["header", {"a": 1, '"b"': "2", "column3": "3"}]
    assert parsed(made, "4,5,6", 9) == [{"a": 4, '"b"': "5", "column3": "6"}]


def test_each_stream_has_its_own() -> None:
    made = stage()
    parsed(made, "a,b", key="one")
    parsed(made, "c,d", key="two")
    assert parsed(made, "1,2", 4, key="one") == [{"a": "1", "b": "2"}]
    assert parsed(made, "1,2", 4, key="two") == [{"c": "1", "d": "2"}]


def test_lines_of_a_file_whose_header_is_not_known_fail() -> None:
    made = stage()
    why = "the header of this file is not known: its first line was not read, was empty, or is no header"
    assert parsed(made, "1,2\n3,4", 40) == [("fail", "no_match", why)] * 2
    twice = "a header with the column 'a' twice: give names of your own as `columns`"
    assert parsed(made, "a,b,a\n1,2,3") == [("fail", "no_match", twice), ("fail", "no_match", why)]
    quote = "a quote is not closed; it begins at column 3: '\"b'"
    assert parsed(made, 'a,"b\n1,2') == [("fail", "no_match", quote), ("fail", "no_match", why)]
    ((_, code, told),) = parsed(made, "," * 5000)
    assert (code, told) == ("too_large", "a header of 5001 columns, at most 4096 are taken")


def test_with_columns_the_first_line_is_only_left_out_and_nothing_is_remembered() -> None:
    made = Csv(header=True, columns=["x", "y"])
    assert not hasattr(made, "memory")
    assert parsed(made, "a,b\n1,2") == ["header", {"x": "1", "y": "2"}]
    assert parsed(made, "1,2", 4) == [{"x": "1", "y": "2"}]


def test_header_that_was_used_least_lately_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "_MOST_FILES", 2)
    made = stage()
    for key, clock in (("one", 1000.0), ("two", 2000.0)):
        parsed(made, "a,b", key=key, now=clock)
    parsed(made, "1,2", 4, key="one", now=9000.0)
    parsed(made, "a,b", key="three", now=9001.0)
    assert set(made.memory) == {"one", "three"}


def test_header_makes_room_where_all_stages_together_may_remember_no_more() -> None:
    made = stage(room=100)
    for key in ("one", "two", "three"):
        assert parsed(made, "a,b\n1,2", key=key)[1] == {"a": "1", "b": "2"}
    assert list(made.memory) == ["three", "two"] or list(made.memory) == ["two", "three"]


@pytest.mark.parametrize("workers", [0, 1])
def test_header_is_known_in_later_pieces_and_after_a_crash(tmp_path: Path, workers: int) -> None:
    files = {
        "a.csv": b"n,name\n" + b"".join(b"%d,ann\n" % n for n in range(500)),
        "b.csv": b"name,n\n" + b"".join(b"bob,%d\n" % n for n in range(500)),
    }
    sink = MemorySink()

    def make(source: ListSource, store: State) -> Pipeline:
        return Pipeline(source, store=store, parse=PARSE, sinks=[sink], workers=workers)

    through_crashes(tmp_path / "state", files, make, crashes=(1500, 4000), chunk_bytes=300)
    events = [json.loads(line) for line in sink.lines()]
    assert sorted((event["name"], int(event["n"])) for event in events) == sorted(
        (name, n) for name in ("ann", "bob") for n in range(500)
    )


def test_header_stays_with_a_file_that_is_renamed_and_a_new_one_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    log = tmp_path / "a.csv"
    log.write_text("n,name\n1,ann\n")
    assert main(["run", "--until-eof"]) == 0
    with log.open("a") as file:
        file.write("2,bob\n")
    assert main(["run", "--until-eof"]) == 0
    with log.open("a") as file:
        file.write("3,cy\n")
    log.rename("a.csv.1")
    log.write_text("name,city,n\ndan,Ulm,4\n")
    assert main(["run", "--until-eof"]) == 0
    events = [json.loads(line) for line in (tmp_path / "out" / "all.ndjson").read_text().splitlines()]
    assert sorted(events, key=lambda event: event["n"]) == [
        {"n": "1", "name": "ann"},
        {"n": "2", "name": "bob"},
        {"n": "3", "name": "cy"},
        {"name": "dan", "city": "Ulm", "n": "4"},
    ]


def test_only_with_a_header_the_chain_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").touch()
    for keys, remembers in (({"header": True}, True), ({"columns": ["a"]}, False)):
        table = {"use": "parse.csv", **keys}
        (tmp_path / "config.toml").write_text(configuration(table, to_file(), source={"paths": ["*.csv"]}, workers=2))
        assert main(["check"]) == 0
        out = capsys.readouterr().out
        assert ("parse.csv: remembers, so the chain runs in one worker, not in 2" in " ".join(out.split())) == remembers
        assert ("what stages remember" in out) == remembers


def test_two_that_remember_are_told_apart_by_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tables: list[dict[str, Any]] = [{"use": "parse.csv", "header": True, "only": f"{name}.csv"} for name in "ab"]
    (tmp_path / "config.toml").write_text(configuration(*tables, to_file()))
    assert main(["check"]) == 78
    assert "parse.csv: remembers, as [[stages]] #1 parse.csv does" in " ".join(capsys.readouterr().err.split())
    tables[1] = {"use": "parse.csv", "columns": ["a"], "only": "b.csv"}
    (tmp_path / "config.toml").write_text(configuration(*tables, to_file()))
    assert main(["check"]) == 0


def test_a_field_has_no_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table: dict[str, Any] = {"use": "parse.csv", "field": "row", "columns": ["a"]}
    (tmp_path / "config.toml").write_text(configuration("parse.json", {**table, "header": True}, to_file()))
    assert main(["check"]) == 78
    err = " ".join(capsys.readouterr().err.split())
    assert 'key "field": this stage goes by the places of lines in a file, so it takes no `field`' in err
    (tmp_path / "config.toml").write_text(configuration("parse.json", table, to_file()))
    assert main(["check"]) == 0
