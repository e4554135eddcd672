"""What a state and the files tell without a daemon, held against what the next run really reads."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.cli.main import main
from tailrace.pipeline.cli.status import look
from tailrace.pipeline.config.load import load

from ..configuration import configuration, to_file
from ..permissions import bound_by_permissions

Json = dict[str, Any]


class Home:
    """A directory with a configuration, logs in directories of their own, and one output."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.out = directory, directory / "out" / "all.ndjson"
        self.configure()

    def configure(self, **source: object) -> None:
        text = configuration("parse.json", to_file(), source={"paths": ["logs/*/*.log", "logs/*/*.log.*"], **source})
        (self.directory / "config.toml").write_text(text)

    def log(self, name: str = "one", lines: int = 50) -> Path:
        log = self.directory / "logs" / name / "a.log"
        log.parent.mkdir(parents=True)
        write(log, lines)
        return log

    def run(self) -> Counter[str]:
        """Bytes that it has read and written, by the log's directory."""
        before = self.out.stat().st_size if self.out.exists() else 0
        assert main(["run", "--until-eof", "-qqq", str(self.directory / "config.toml")]) == 0
        read: Counter[str] = Counter()
        with self.out.open("rb") as file:
            file.seek(before)
            for line in file:
                read[json.loads(line)["in"]] += len(line)
        return read

    def look(self) -> Json:
        return look(load(self.directory / "config.toml"))

    def rows(self) -> dict[str, Json]:
        return {row["path"].rpartition("/")[2]: row for row in self.look()["files"]["rows"]}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def lines_of(log: Path, count: int, word: str = "first") -> bytes:
    """As they come out again; those of two directories, or with two words, have nothing in common."""
    line = json.dumps({"in": log.parent.name, "word": word, "text": "like all others"}, separators=(",", ":"))
    return f"{line}\n".encode() * count


def write(log: Path, lines: int, word: str = "first") -> None:
    log.write_bytes(lines_of(log, lines, word))


def append(log: Path, lines: int, more: bytes = b"") -> int:
    data = lines_of(log, lines) + more
    with log.open("ab") as file:
        file.write(data)
    return len(data)


def unchanged(_: Path) -> None:
    pass


def grown(log: Path) -> None:
    append(log, 7)


def rotated(log: Path) -> None:
    append(log, 7)
    log.rename(log.with_name("a.log.1"))
    write(log, 3, "second")


def moved_out_of_the_pattern(log: Path) -> None:
    append(log, 7)
    log.rename(log.with_name("a.old"))


def copied_and_truncated(log: Path) -> None:
    append(log, 7)
    shutil.copy(log, log.with_name("a.log.1"))
    write(log, 2, "second")


def truncated(log: Path) -> None:
    write(log, 2, "second")


def written_anew_and_longer(log: Path) -> None:
    write(log, 90, "second")


def replaced(log: Path) -> None:
    write(log.with_name("new"), 90, "second")
    log.with_name("new").rename(log)


def deleted(log: Path) -> None:
    log.unlink()


def joined_by_others(log: Path) -> None:
    write(log.with_name("b.log"), 5, "second")
    log.with_name("empty.log").touch()
    log.with_name("link.log").symlink_to("b.log")
    os.link(log.with_name("b.log"), log.with_name("hard.log"))


def packed(log: Path) -> None:
    log.with_name("a.log.2.gz").write_bytes(gzip.compress(lines_of(log, 100, "second")))


def with_room_made_in_advance(log: Path) -> None:
    append(log, 2, bytes(100_000))


LIVES: list[Callable[[Path], None]] = [
    unchanged, grown, rotated, moved_out_of_the_pattern, copied_and_truncated, truncated, written_anew_and_longer,
    replaced, deleted, joined_by_others, packed, with_room_made_in_advance,
]  # fmt: skip


def test_the_lag_of_each_file_is_what_the_next_run_reads(home: Home) -> None:
    logs = [home.log(life.__name__) for life in LIVES]
    home.run()
    for life, log in zip(LIVES, logs, strict=True):
        life(log)
    before = home.look()
    told: Counter[str] = Counter()
    for row in before["files"]["rows"]:
        told[row["path"].split("/")[-2]] += row["lag_bytes"] or 0
    read = home.run()
    assert +told == read
    assert set(told) - set(read) == {"unchanged", "deleted", "packed"}
    assert before["lag"]["bytes"] == before["files"]["lag_bytes"] == read.total()
    assert home.look()["lag"]["bytes"] == 0


def test_a_row_says_where_the_file_is_and_what_became_of_each_byte(home: Home) -> None:
    log = home.log()
    size = log.stat().st_size
    home.run()
    more = append(log, 7)
    log.rename(log.with_name("a.log.1"))
    write(log, 3, "second")
    rows = home.rows()
    known, new = rows["a.log.1"], rows["a.log"]
    assert (known["stream"], known["offset"], known["size"], known["lag_bytes"]) == (1, size, size + more, more)
    assert known["balance"] == {
        "seen": size + more, "acknowledged": size, "dead_lettered": 0, "skipped": {}, "lost": {}, "pending": more,
    }  # fmt: skip
    assert (new["stream"], new["offset"], new["lag_bytes"], new["balance"]) == (None, 0, log.stat().st_size, None)
    assert home.look()["pending"]["bytes"] == more, "of what a run has seen"


def test_what_nobody_can_know_is_none_and_an_age_is_a_lower_bound(home: Home) -> None:
    log = home.log()
    home.run()
    append(log, 7)
    os.utime(log, (time.time() - 300,) * 2)
    status = home.look()
    assert (status["state"], status["ready"], status["pid"], status["started"]) == ("stopped", False, None, None)
    unknown = ("rates", "commit", "ring", "memory", "latency", "flow", "patterns", "workers", "batches")
    assert [status[name] for name in unknown] == [None] * len(unknown)
    (sink,) = status["sinks"]
    assert (sink["up"], sink["rate"], sink["waiting"], sink["written"]) == (None, None, None, 50)
    assert status["lag"]["seconds"] is status["pending"]["seconds"] is status["pending"]["lines"] is None
    assert 300 <= status["lag"]["seconds_at_least"] < 400
    assert home.rows()["a.log"]["lag_seconds"] is None


def test_bytes_that_were_seen_and_are_nowhere_any_more_are_told(home: Home) -> None:
    log = home.log()
    append(log, 0, b'{"n": 3')
    home.run()
    assert home.rows()["a.log"]["lag_bytes"] == 7, "a last line without its newline is part of it"
    os.utime(home.directory / "state" / "tailrace.sqlite", (time.time() - 500,) * 2)
    assert home.rows()["a.log"]["lag_seconds_at_least"] >= 500, "it was known when the state was last written"
    write(log.with_name("new"), 3, "second")
    log.with_name("new").rename(log)
    new, gone = home.look()["files"]["rows"]
    assert (new["stream"], new["state"], new["lag_bytes"]) == (None, "unread", log.stat().st_size)
    assert (gone["stream"], gone["state"], gone["size"], gone["lag_bytes"]) == (1, "gone", None, None)
    assert gone["why"] == "it is not there any more; of what was seen of it, 7 bytes are not committed"


def test_files_that_are_not_asked_for_or_too_old_or_our_own_are_no_lag(home: Home) -> None:
    log = home.log()
    write(log.with_name("b.log"), 1, "second")
    home.run()
    append(log.with_name("b.log"), 1)
    old = log.with_name("old.log")
    write(old, 1, "third")
    os.utime(old, (time.time() - 90_000,) * 2)
    log.with_name("own.log").symlink_to(home.out)
    home.configure(exclude=["b.log"], ignore_older="1d")
    rows = home.rows()
    assert set(rows) == {"a.log", "b.log"}
    assert (rows["b.log"]["state"], rows["b.log"]["lag_bytes"]) == ("unwanted", None)
    assert home.look()["lag"]["bytes"] == 0


def test_of_a_packed_file_that_is_read_nobody_knows_what_is_new(home: Home) -> None:
    log = home.log()
    home.run()
    packed(log)
    assert (set(home.rows()), home.look()["files"]["packed"]) == ({"a.log"}, 1)
    home.configure(compressed="read")
    row = home.rows()["a.log.2.gz"]
    assert (row["state"], row["lag_bytes"]) == ("waiting", None)


def test_a_file_that_may_not_be_read_counts_by_its_size_and_a_directory_is_named(home: Home) -> None:
    log = home.log()
    home.run()
    more = append(log, 7)
    log.chmod(0)
    (row,) = bound_by_permissions(home.look)["files"]["rows"]
    assert (row["state"], row["why"], row["lag_bytes"]) == ("unreadable", "Permission denied", more)
    log.parent.chmod(0)
    try:
        files = bound_by_permissions(home.look)["files"]
    finally:
        log.parent.chmod(0o755)
    assert "permission" in files["unlisted"][str(log.parent)]
    assert [(row["state"], row["size"]) for row in files["rows"]] == [("unreadable", None)]


def test_a_name_that_leads_to_a_fifo_is_not_waited_for(home: Home) -> None:
    log = home.log()
    home.run()
    log.unlink()
    os.mkfifo(log)
    assert [row["state"] for row in home.look()["files"]["rows"]] == ["gone"]
