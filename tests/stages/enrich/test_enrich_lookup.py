"""The stage that adds what a table says."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.stages.enrich.lookup import Lookup

CSV = "host,team,floor\nweb1,shop,1\ndb1,data,2\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.csv"
    path.write_text(CSV)
    return path


def add(stage: Lookup, **event: Any) -> Any:
    (result,) = stage.process([event])
    return result


def test_columns_become_fields(table: Path) -> None:
    stage = Lookup(str(table), "server")
    assert add(stage, server="web1", team="old") == {"server": "web1", "team": "shop", "floor": "1"}
    assert add(stage, server="other") == {"server": "other"}
    assert add(stage, n=1) == {"n": 1}


def test_key_columns_types_and_into(table: Path) -> None:
    stage = Lookup(str(table), "team", key="team", columns={"floor": "level"}, types={"floor": "int"}, into="place")
    first, second = stage.process([{"team": "data"}, {"team": "data"}])
    assert first == {"team": "data", "place": {"level": 2}}
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["place"] is not second["place"]  # a later stage may change one
    assert add(Lookup(str(table), "server", columns=["floor"]), server="db1") == {"server": "db1", "floor": "2"}


def test_what_the_event_has_stays_without_overwrite(table: Path) -> None:
    assert add(Lookup(str(table), "server", overwrite=False), server="web1", team=None) == {
        "server": "web1",
        "team": None,
        "floor": "1",
    }
    assert add(Lookup(str(table), "server", into="x", overwrite=False), server="web1", x=1) == {
        "server": "web1",
        "x": 1,
    }


def test_default_and_required(table: Path) -> None:
    assert add(Lookup(str(table), "server", default={"team": "?"}), server="x") == {"server": "x", "team": "?"}
    stage = Lookup(str(table), "server", required=True)
    fails = [add(stage), add(stage, server=1.5), add(stage, server="x")]
    assert [fail.code for fail in fails if isinstance(fail, Fail)] == ["missing_field", "bad_type", "no_match"]
    assert fails[2].why == f"field 'server': 'x' is not in the table {table}"
    assert add(stage, server="web1")["team"] == "shop"


def test_case_of_letters_and_numbers_as_keys(tmp_path: Path) -> None:
    path = tmp_path / "codes.json"
    path.write_text('{"404": "Not found", "STRASSE": "street"}')
    stage = Lookup(str(path), "code", ignore_case=True, columns={"value": "meaning"})
    assert add(stage, code=404) == {"code": 404, "meaning": "Not found"}
    assert add(stage, code="straße")["meaning"] == "street"
    assert add(stage, code=True) == {"code": True}


@pytest.mark.parametrize(
    ("content", "key"),
    [({"a": {"n": 1, "t": None}}, ""), ([{"id": "a", "n": 1, "t": None}], "id")],
    ids=["object", "list"],
)
def test_json(tmp_path: Path, content: Any, key: str) -> None:
    path = tmp_path / "t.json"
    path.write_text("\ufeff" + json.dumps(content))
    assert add(Lookup(str(path), "f", key=key), f="a") == {"f": "a", "n": 1, "t": None}


def test_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "users #1.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute('CREATE TABLE "the users" (id INTEGER, name TEXT, picture BLOB)')
        database.execute("INSERT INTO \"the users\" VALUES (7, 'ann', x'00'), (8, 'bob', NULL), (NULL, 'x', NULL)")
        database.commit()
    stage = Lookup(str(path), "uid", key="id", table="the users", columns=["name"])
    assert add(stage, uid=7) == {"uid": 7, "name": "ann"}
    assert add(stage, uid="8") == {"uid": "8", "name": "bob"}
    with pytest.raises(ValueError, match="has no table 'user'; it has 'the users'"):
        Lookup(str(path), "uid", key="id", table="user")
    with pytest.raises(ValueError, match="has no column 'uid', which `key` names; it has 'id', 'name', 'picture'"):
        Lookup(str(path), "uid", key="uid", table="the users")
    with pytest.raises(ValueError, match=r"row '7': 'picture' is b'\\x00', expected a text"):
        Lookup(str(path), "uid", key="id", table="the users")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE \"the users\" SET name = 'eve' WHERE id = 7")
        database.commit()
    assert stage.refresh(0.0) is not None
    assert add(stage, uid=7)["name"] == "eve"


def test_a_new_table_takes_the_place_of_the_old_one_as_a_whole(table: Path) -> None:
    stage = Lookup(str(table), "server", reload=1.0)
    table.write_text("host,team\nweb2,shop\n")
    done = stage.refresh(0.0)
    assert done is not None
    assert not done.problem
    assert [add(stage, server=name) for name in ("web1", "web2")] == [
        {"server": "web1"},
        {"server": "web2", "team": "shop"},
    ]
    table.write_text("host,team\nweb1,shop,1\n")
    done = stage.refresh(1.0)
    assert done is not None
    assert done.problem == "line 2: 3 columns, expected 2"
    assert add(stage, server="web2")["team"] == "shop"


def test_keys_that_are_there_twice_are_told_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("k,v\na,1\nb,2\nA,3\na,4\n")
    stage = Lookup(str(path), "k")
    assert add(stage, k="a")["v"] == "4"
    assert stage.remarks() == [f"{path}: there twice, the last one counts: 'a'"]
    assert stage.process([{"k": "A"}]) == [{"k": "A", "v": "3"}]
    assert Lookup(str(path), "k", ignore_case=True).remarks() == [f"{path}: there twice, the last one counts: 'a', 'a'"]
    path.with_suffix(".json").write_text('{"a": 1, "a": 2}')
    assert len(Lookup(str(path.with_suffix(".json")), "k").remarks()) == 1


@pytest.mark.parametrize(
    ("name", "content", "options", "problem"),
    [
        ("t.csv", "", {}, "is empty; expected the names of the columns"),
        ("t.csv", "a,a\n", {}, "line 1: two columns are named 'a'"),
        ("t.csv", "a,b\n1\n", {}, "line 2: 1 columns, expected 2"),
        ("t.csv", 'a,b\n1,"x\n', {}, "line 2: unexpected end of data"),
        ("t.csv", "a,b\n1,x\n", {"columns": ["c"]}, "has no column 'c'; it has 'b'"),
        ("t.csv", "a,b\n1,x\n", {"types": {"b": "int"}}, "row '1': column b: 'x' is not an int"),
        ("t.csv", "a,b\n1,x\n", {"key": "c"}, "has no column 'c', which `key` names; it has 'a', 'b'"),
        ("t.csv", b"a,b\n\xff,x\n", {}, "can't decode byte"),
        ("t.json", "{", {}, "Expecting property name"),
        ("t.json", "[" * 100_000, {}, "is nested too deeply"),
        ("t.json", "7", {}, "holds 7; expected an object or a list"),
        ("t.json", '{"a": {"b": []}}', {}, r"row 'a': 'b' is \[\], expected a text, a number"),
        ("t.json", '{"a": 1e999}', {}, "row 'a': 'value' is a number that JSON cannot hold"),
        ("t.json", '{"a": NaN}', {}, "holds NaN, which is not JSON"),
        ("t.json", '{"a": 99999999999999999999}', {}, "row 'a': 'value' is an integer of more than 64 bits"),
        ("t.json", '[{"a": 1}]', {}, "`key` must say which member"),
        ("t.json", '[{"a": 1}]', {"key": "b"}, "item 1: expected an object with 'b'"),
        ("t.json", '[{"a": 1.5}]', {"key": "a"}, "item 1: the key is 1.5"),
        ("t.json", '{"a": 1}', {"key": "a"}, "is an object, whose names are the keys"),
        ("t.json", "{}", {"table": "x"}, "table: is for a database; this file is JSON"),
        ("t.db", "no database, but long enough to be looked at as one", {"key": "a", "table": "t"}, "not a database"),
        ("t.db", "", {"key": "a"}, "table: a database needs both"),
        ("t.txt", "", {}, "path: ends with none of .csv, .json"),
        ("t.csv", CSV, {"delimiter": "||"}, "delimiter: found '||'"),
        ("t.csv", CSV, {"default": {"a": []}}, "default.a: expected a text"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=problem.replace("||", r"\|\|")):
        Lookup(str(path), "f", **options)


def test_a_format_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("host;team\nweb1;shop\n")
    assert add(Lookup(str(path), "h", format="csv", delimiter=";"), h="web1") == {"h": "web1", "team": "shop"}
