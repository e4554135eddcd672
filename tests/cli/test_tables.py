"""Stages that work with files of their own, from `check` to the log of a run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from ..configuration import configuration, to_file
from .conftest import Run

LOOKUP = {"use": "enrich.lookup", "path": "hosts.csv", "field": "server", "columns": {"team": "owner"}}
OMIT = {"dead_letters": {"raw": "omit"}}


def write(config: Path, *stages: object, **more: object) -> None:
    config.write_text(configuration("parse.json", *stages, to_file(), source={"paths": ["*.log"]}, **more))  # type: ignore[arg-type]


def test_check_names_the_file_and_what_is_wrong_with_it(config: Path, tailrace: Run) -> None:
    write(config, LOOKUP)
    code, _, err = tailrace("check")
    assert code == 78
    table = config.parent / "hosts.csv"
    assert f'#2 enrich.lookup: key "path": {table}: cannot be read: No such file or directory' in err
    table.write_text("host,team\nweb1\n")
    assert f"{table}: line 2: 1 columns, expected 2" in tailrace("check")[2]


def test_check_tells_what_is_probably_not_meant(config: Path, tailrace: Run) -> None:
    write(config, LOOKUP)
    table = config.parent / "hosts.csv"
    table.write_text("host,team\nweb1,a\nweb1,b\n")
    code, out, _ = tailrace("check")
    assert code == 0
    assert f"! enrich.lookup: {table}: there twice, the last one counts: 'web1'\n" in out


def test_a_run_with_a_worker_looks_things_up(config: Path, tailrace: Run) -> None:
    write(config, LOOKUP, workers=1)
    (config.parent / "hosts.csv").write_text("host,team\nweb1,shop\n")
    (config.parent / "a.log").write_text('{"server":"web1"}\n')
    assert tailrace("run", "--until-eof")[0] == 0
    assert json.loads((config.parent / "out/all.ndjson").read_text()) == {"server": "web1", "owner": "shop"}


def test_the_memory_ceiling_has_the_tables_in_each_process_and_twice_where_they_are_read_anew(
    config: Path, tailrace: Run
) -> None:
    def ceiling(workers: int) -> float:
        write(config, LOOKUP, workers=workers)
        (line,) = [line for line in tailrace("check")[1].splitlines() if line.endswith(" while they are read anew")]
        return float(line.split()[0])

    rows = "".join(f"host{number},team{number},{'x' * 1000}\n" for number in range(10_000))
    (config.parent / "hosts.csv").write_text(f"host,team,text\n{rows}")
    one = ceiling(0) / 2  # with the text, which is left out, there would be ten times as much
    assert 1 < one < 10
    assert round(ceiling(1) / one) == 3
    assert round(ceiling(3) / one) == 7


def test_check_tells_that_dead_letters_hold_what_is_redacted(config: Path, tailrace: Run) -> None:
    hint = "! enrich.redact: dead letters hold the lines as they were"
    write(config, "enrich.redact")
    assert hint in tailrace("check")[1]
    write(config, "enrich.redact", tables=OMIT)
    code, out, _ = tailrace("check")
    assert (code, hint in out) == (0, False)


def test_a_secret_is_in_neither_output_state_nor_log(config: Path, tailrace: Run) -> None:
    write(config, "enrich.redact", {"use": "enrich.set", "expr": {"y": "1 // zero"}}, tables=OMIT)
    (config.parent / "a.log").write_text(
        'password=hunter2\n{"zero":1,"to":"hunter2@example.com"}\n{"zero":0,"to":"hunter2@example.com"}\n'
    )
    code, out, err = tailrace("run", "--until-eof")
    assert code == 0
    assert "hunter2" not in out + err
    with closing(sqlite3.connect(config.parent / "state/tailrace.sqlite")) as database:
        letters = database.execute("SELECT stage, raw, event FROM dead_letters ORDER BY id").fetchall()
    assert letters == [("parse.json", b"", None), ("enrich.set", b"", '{"zero":0,"to":"[REDACTED]"}')]
    for path in config.parent.rglob("*"):
        if path.is_file() and path.suffix != ".log":
            assert b"hunter2" not in path.read_bytes(), path
    assert json.loads((config.parent / "out/all.ndjson").read_text()) == {"zero": 1, "to": "[REDACTED]", "y": 1}
    assert "hunter2" not in "".join(tailrace("dlq", command)[1] for command in ("list", "export"))
    shown = tailrace("dlq", "show", "1")[1]
    assert "\nlength        16 bytes, not kept\n" in shown
    assert "\nline\n" not in shown
