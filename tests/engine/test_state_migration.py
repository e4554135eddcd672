"""A state of the first release is upgraded once, whole, and nothing of it is lost; until then it can be looked at.

``state_1.sql`` is such a state, made by that release: three files, one with a name that is not UTF-8, another truncated
between two runs; two sinks; lines that became dead letters, one of them cut.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline import disk
from tailrace.pipeline.cli.main import main
from tailrace.pipeline.errors import StateError
from tailrace.pipeline.source.tail.position import Position
from tailrace.pipeline.state.file import FILE_NAME, SinkRecord
from tailrace.pipeline.state.store import Commit, State

GOLDEN = Path(__file__).parent / "state_1.sql"
HOME = "/srv/golden"  # where it was made

CONFIG = """
[pipeline]
state_dir = "state"
workers = 0
[source]
paths = ["logs/*"]
max_line_bytes = "256B"
[[stages]]
use = "parse.json"
[[stages]]
use = "enrich.origin"
[[stages]]
use = "write.file"
id = "all"
path = "out/all.ndjson"
[[stages]]
use = "write.file"
path = "out/{source}.ndjson"
"""

LOGS = {  # as they were when that release had read them
    b"app.log": b'{"n":1}\nno json\n{"n":2}\n\n',
    b"caf\xe9.log": b'{"n":3}\n\xff\xfe\n' + b"x" * 300 + b"\n",
    b"turned.log": b'{"n":6}\n',
}
OUTPUTS = {  # and what it had written, with the host's name
    "app.log.ndjson": '{"n":1,"file":"app.log","offset":0,"event_id":"1:0","host":"vm"}\n'
    '{"n":2,"file":"app.log","offset":16,"event_id":"1:16","host":"vm"}\n',
    "caf\\xe9.log.ndjson": '{"n":3,"file":"caf\\\\xe9.log","offset":0,"event_id":"2:0","host":"vm"}\n',
    "turned.log.ndjson": '{"n":4,"file":"turned.log","offset":0,"event_id":"3:0","host":"vm"}\n'
    '{"n":5,"file":"turned.log","offset":8,"event_id":"3:8","host":"vm"}\n'
    '{"n":6,"file":"turned.log","offset":0,"event_id":"4:0","host":"vm"}\n',
}


def old_state(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE_NAME
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(GOLDEN.read_text())
    return path


def opened(directory: Path) -> State:
    state = State(os.fspath(directory), max_bytes=1 << 20, when_full="block", config="digest")
    state.open()
    return state


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def everything(path: Path) -> dict[str, Any]:
    """All that schema 1 holds, by table, read as what it was."""
    columns = "id, time, stage, error, why, attempts, file, path, offset, length, event_id, raw, event, config, size"
    version = query(path, "SELECT value FROM meta WHERE key = 'schema_version'")
    found: dict[str, Any] = {
        "dead letters": query(path, f"SELECT {columns} FROM dead_letters ORDER BY id"),  # noqa: S608
        "counters": query(path, "SELECT * FROM counters"),
    }
    if version == [("1",)]:
        found["files"] = query(path, "SELECT * FROM files ORDER BY file_id")
        found["marks"] = query(path, "SELECT * FROM marks ORDER BY sink, destination")
        return found
    rows = [Position.from_json(n, json.loads(text)) for n, text in query(path, "SELECT * FROM streams")]
    for row in rows:
        ledger = json.dumps(row.ledger, separators=(",", ":")) if row.ledger else ""
        values = [getattr(row, name) for name in row.__slots__]
        found.setdefault("files", []).append((*values[:-1], ledger))
    marks = query(path, "SELECT sink, destination, mark FROM marks ORDER BY sink, destination")
    found["marks"] = [(*whose, *json.loads(mark).values()) for *whose, mark in marks]
    return found


def test_case_045_every_row_of_schema_1_is_there_in_schema_2(tmp_path: Path) -> None:
    path = old_state(tmp_path)
    before = everything(path)
    assert {name: len(rows) for name, rows in before.items()} == {
        "dead letters": 3, "counters": 15, "files": 4, "marks": 4,
    }  # fmt: skip
    state = opened(tmp_path)
    assert state.upgraded_from == 1
    assert everything(path) == before
    assert state.cursors()[2]["path_hex"] == f"{HOME}/logs/".encode().hex() + b"caf\xe9.log".hex()
    assert query(path, "SELECT path, offset, ledger FROM files WHERE file_id = 2") == [
        (f"{HOME}/logs/caf\\xe9.log", 312,
         '{"seen":312,"acknowledged":8,"dead_lettered":304,"skipped":{},"lost":{},"pending":0}'),
    ]  # fmt: skip
    assert state.sinks() == {
        "all": SinkRecord("write.file", {"path": f"{HOME}/out/all.ndjson"}),
        "write.file:out/{source}.ndjson": SinkRecord("write.file", {"path": f"{HOME}/out/turned.log.ndjson"}),
    }
    assert query(path, "SELECT stream, clock, year_bound, payload FROM dead_letters") == [
        (1, None, None, None), (2, None, None, None), (2, None, None, None),
    ]  # fmt: skip
    assert state.memory() == {}
    one = state.id
    state.close()
    again = opened(tmp_path)
    assert (again.upgraded_from, again.id) == (None, one)
    again.close()


def test_case_045_the_tables_are_those_of_a_new_state(tmp_path: Path) -> None:
    opened(old_state(tmp_path).parent).close()
    opened(tmp_path / "new").close()
    names = "SELECT type, name FROM sqlite_master ORDER BY name"
    assert query(tmp_path / FILE_NAME, names) == query(tmp_path / "new" / FILE_NAME, names)
    for kind, name in query(tmp_path / FILE_NAME, names):
        columns = f"PRAGMA table_xinfo({name})"
        assert query(tmp_path / FILE_NAME, columns) == query(tmp_path / "new" / FILE_NAME, columns), (kind, name)


def test_case_045_the_path_of_an_output_is_no_template(tmp_path: Path) -> None:
    with closing(sqlite3.connect(old_state(tmp_path))) as db, db:
        db.execute("UPDATE marks SET path = '/out/{2024}.ndjson' WHERE sink = 'all'")
    state = opened(tmp_path)
    assert state.sinks()["all"] == SinkRecord("write.file", {"path": "/out/{{2024}}.ndjson"})
    state.close()


@pytest.mark.parametrize("empty", [False, True])
def test_case_045_numbers_that_were_given_before_are_not_given_again(tmp_path: Path, empty: bool) -> None:
    path = old_state(tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM files WHERE file_id > ?", (0 if empty else 2,))
        db.execute("DELETE FROM dead_letters")
    state = opened(tmp_path)
    assert state.register(["new"]) == [5]
    state.close()
    assert query(path, "SELECT seq FROM sqlite_sequence WHERE name = 'dead_letters'") == [(3,)]


def test_case_045_a_state_of_schema_1_that_was_never_used(tmp_path: Path) -> None:
    path = old_state(tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("files", "marks", "counters", "dead_letters", "sqlite_sequence"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608
    state = opened(tmp_path)
    assert (state.cursors(), state.marks(), state.sinks(), state.register(["new"])) == ({}, {}, {}, [1])
    state.close()


class CrashError(Exception):
    """The process is gone from here on."""


def test_case_045_killed_at_any_operation_of_the_upgrade_the_state_is_the_old_one_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves on the disk is copied as it is then, and the next start begins from the copy."""
    before = everything(old_state(tmp_path / "untouched"))
    versions, done = set[tuple[str]](), list[str]()
    for at in count(1):
        left = tmp_path / f"{at} left"
        directory = old_state(tmp_path / str(at)).parent
        done.clear()

        def kill(operation: str, _path: str, at: int = at, directory: Path = directory, left: Path = left) -> None:
            done.append(operation)
            if len(done) == at:
                shutil.copytree(directory, left)
                raise CrashError

        monkeypatch.setattr(disk, "before", kill)
        state = State(os.fspath(directory), max_bytes=1 << 20, when_full="block", config="digest")
        with suppress(CrashError):
            state.open()
            state.close()
        monkeypatch.undo()
        if hasattr(state, "_db"):
            state._db.close()
        if not left.exists():
            break
        versions |= set(query(left / FILE_NAME, "SELECT value FROM meta WHERE key = 'schema_version'"))
        assert everything(left / FILE_NAME) == before, f"killed at {done}"
        again = opened(left)
        assert len(again.id) == 8
        again.commit(Commit({1: again.cursors()[1]}, {}, [], {}))
        again.close()
        assert everything(left / FILE_NAME) == before, f"killed at {done}"
    assert versions == {("1",), ("2",)}
    assert "commit" in done


def test_case_045_a_log_torn_in_the_upgrade_is_the_old_state_or_the_new(tmp_path: Path) -> None:
    chance = random.Random(2)  # noqa: S311  (no secret)
    path = old_state(tmp_path / "state")
    before = everything(path)
    state = opened(tmp_path / "state")
    kept, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    state.close()
    versions: set[int | None] = set()
    for cut in (0, len(log), *(chance.randint(0, len(log)) for _ in range(30))):
        torn = tmp_path / "torn"
        torn.mkdir()
        (torn / FILE_NAME).write_bytes(kept)
        (torn / f"{FILE_NAME}-wal").write_bytes(log[:cut])
        again = opened(torn)
        versions.add(again.upgraded_from)
        again.close()
        assert everything(torn / FILE_NAME) == before, cut
        shutil.rmtree(torn)
    assert versions == {1, None}


def test_case_045_an_upgrade_that_the_disk_does_not_take_leaves_the_state_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_state(tmp_path)
    before = everything(path)

    def full(database: sqlite3.Connection, _path: str) -> None:
        database.execute("PRAGMA max_page_count=1")  # no page can be added
        database.execute("CREATE TABLE more (x)")

    monkeypatch.setattr(disk, "commit", full)
    with pytest.raises(StateError, match=r"full\. Nothing was changed\. To recover: check the disk"):
        opened(tmp_path)
    monkeypatch.undo()
    assert everything(path) == before
    opened(tmp_path).close()


def test_case_045_a_damaged_row_of_schema_1_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = old_state(tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE files SET ledger = '{' WHERE file_id = 1")
    before = everything(path)
    for _ in range(2):
        with pytest.raises(StateError, match="something in it cannot be read"):
            opened(tmp_path)
    assert everything(path) == before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of that state and the state itself, as if they had always been here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAILRACE_CONFIG", raising=False)
    (tmp_path / "config.toml").write_text(CONFIG)
    for directory in ("logs", "out"):
        (tmp_path / directory).mkdir()
    for log, data in LOGS.items():
        (tmp_path / "logs" / os.fsdecode(log)).write_bytes(data)
    for name, text in OUTPUTS.items():
        (tmp_path / "out" / name).write_text(text)
    order = ("app.log.ndjson", "caf\\xe9.log.ndjson", "turned.log.ndjson")
    (tmp_path / "out" / "all.ndjson").write_text("".join(OUTPUTS[name] for name in order))
    with closing(sqlite3.connect(old_state(tmp_path / "state"))) as db, db:
        for number, path in db.execute("SELECT file_id, path FROM files").fetchall():
            here = path.replace(HOME.encode(), os.fsencode(tmp_path))
            there = os.stat(here)
            change = "UPDATE files SET path = ?, device = ?, inode = ? WHERE file_id = ?"
            db.execute(change, (here, there.st_dev, there.st_ino, number))
        for (path,) in db.execute("SELECT path FROM marks").fetchall():
            here = path.replace(HOME, str(tmp_path))
            there = os.stat(here)
            change = "UPDATE marks SET destination = ?, path = ?, device = ?, inode = ? WHERE path = ?"
            db.execute(change, (here, here, there.st_dev, there.st_ino, path))
    return tmp_path


def test_case_045_a_run_goes_on_exactly_where_the_last_release_stopped(home: Path) -> None:
    before = {path.name: path.read_text() for path in (home / "out").iterdir()}
    with (home / "out" / "all.ndjson").open("a") as output:
        output.write('{"n":"written and not committed"}\n')
    with (home / "logs" / "app.log").open("a") as log:
        log.write('{"n":7}\n')
    assert main(["run", "-qq", "--until-eof"]) == 0
    after = {path.name: path.read_text() for path in (home / "out").iterdir()}
    assert after.keys() == before.keys()
    new = {name: after[name].removeprefix(text) for name, text in before.items()}
    assert {name for name, text in new.items() if text} == {"all.ndjson", "app.log.ndjson"}
    assert json.loads(new["all.ndjson"])["n"] == json.loads(new["app.log.ndjson"])["n"] == 7
    path = home / "state" / FILE_NAME
    assert query(path, "SELECT count(*) FROM dead_letters") == [(3,)]
    assert query(path, "SELECT value FROM counters WHERE name = 'lines_read'") == [(11,)]


@pytest.mark.parametrize("arguments", [["list"], ["stats"], ["show", "2"], ["export"]], ids=" ".join)
def test_case_045_dead_letters_of_schema_1_can_be_looked_at(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """And they are shown as they are after the upgrade."""
    before = (home / "state" / FILE_NAME).read_bytes()
    assert main(["dlq", *arguments]) == 0
    shown = capsys.readouterr().out
    assert (home / "state" / FILE_NAME).read_bytes() == before
    opened(home / "state").close()
    assert main(["dlq", *arguments]) == 0
    assert capsys.readouterr().out == shown
    assert "no_match" in shown


def test_case_045_check_says_that_the_next_run_upgrades_the_state(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (home / "state" / FILE_NAME).read_bytes()
    assert main(["check"]) == 0
    assert "the next `tailrace run` upgrades it to schema 2" in " ".join(capsys.readouterr().out.split())
    assert (home / "state" / FILE_NAME).read_bytes() == before
    opened(home / "state").close()
    assert main(["check"]) == 0
    assert "upgrades" not in capsys.readouterr().out


def test_case_045_outputs_that_a_state_of_schema_1_knows_are_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: Callable[..., int] = lambda: main(["replay", "--keep-sinks", str(home / "logs" / "app.log")])  # noqa: E731
    assert recorded() == 1
    said = capsys.readouterr().err
    assert f"{home}/out/all.ndjson and 3 more" in said
    opened(home / "state").close()
    assert recorded() == 1
    assert capsys.readouterr().err == said
