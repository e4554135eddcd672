"""A table that is replaced while the daemon works."""

from __future__ import annotations

import json

from ..configuration import configuration, to_file
from .conftest import MakeDaemon

CONFIG = configuration(
    "parse.json",
    {"use": "enrich.lookup", "path": "hosts.csv", "field": "server", "reload": "1s"},
    to_file(),
    workers=1,
    commit_interval="20ms",
    tables={"log": {"format": "json"}},
)


def test_lines_that_come_after_a_new_table_get_its_values_and_a_broken_one_is_told(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    table, log, out = daemon.home / "hosts.csv", daemon.logs / "app.log", daemon.out / "all.ndjson"

    def replace(text: str) -> None:
        table.with_suffix(".new").write_text(text)
        table.with_suffix(".new").replace(table)

    def says_of_another_line(event: str) -> bool:
        with log.open("a") as lines:
            lines.write('{"server":"web1"}\n')
        return event in daemon.stderr()

    replace("host,team\nweb1,shop\n")
    daemon.start()
    daemon.until(lambda: says_of_another_line("pipeline.started"), "the start")
    daemon.until(lambda: out.exists() and b"shop" in out.read_bytes(), "events of the first table")
    replace("host,team\nweb1,store\n")
    daemon.until(lambda: says_of_another_line('"stage.refreshed"'), "the new table")
    replace("host,team\nweb1\n")
    daemon.until(lambda: says_of_another_line('"stage.not_refreshed"'), "the broken table")
    (told,) = [json.loads(line) for line in daemon.stderr().splitlines() if '"stage.not_refreshed"' in line]
    assert (told["stage"], told["file"], told["why"]) == ("enrich.lookup", str(table), "line 2: 1 columns, expected 2")
    daemon.until(lambda: b"store" in out.read_bytes(), "events of the new table")
    teams = [json.loads(line)["team"] for line in out.read_bytes().splitlines()]
    assert teams == sorted(teams)  # first shop, then store, which the broken one has not replaced
