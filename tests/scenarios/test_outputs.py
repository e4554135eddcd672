"""Output files: what others do to them, where templated names lead, and that nothing of ours is read again."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from functools import partial

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered

configured = partial(configuration, commit_interval="50ms", source={"close_after": "200ms"})
EVERYTHING = 60.0  # seconds in which a small input must be through


def append(daemon: Daemon, start: int, stop: int) -> None:
    with (daemon.logs / "app.log").open("ab") as file:
        file.write(numbered(start, stop))


def commit(daemon: Daemon) -> None:
    size = (daemon.logs / "app.log").stat().st_size
    daemon.until(lambda: daemon.committed() == size, "everything is committed", EVERYTHING)


def test_case_063_an_output_that_is_renamed_is_begun_anew_at_the_next_barrier(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    daemon.start()
    commit(daemon)
    (daemon.out / "all.ndjson").rename(daemon.out / "all.ndjson.1")
    append(daemon, 100, 200)
    commit(daemon)
    append(daemon, 200, 300)
    commit(daemon)
    assert daemon.stop() == 0, daemon.stderr()
    (notice,) = daemon.said("sink.notice")
    assert "all.ndjson: was moved away" in notice
    assert not daemon.said("pipeline.rewind")
    assert daemon.numbers("all.ndjson.1") == list(range(200)), "up to the barrier that saw it"
    assert daemon.numbers("all.ndjson") == list(range(200, 300))
    assert daemon.run_to_end() == 0, "the next start knows the new file"


def test_case_063_what_was_not_committed_to_a_deleted_output_is_written_again_to_a_new_one(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    daemon.start()
    commit(daemon)
    (daemon.out / "all.ndjson").unlink()
    append(daemon, 100, 200)
    commit(daemon)
    append(daemon, 200, 300)
    commit(daemon)
    assert daemon.stop() == 0, daemon.stderr()
    assert "was deleted" in daemon.said("pipeline.rewind")[0]
    assert daemon.numbers("all.ndjson") == list(range(100, 300))
    assert daemon.run_to_end() == 0, "the next start knows the new file"


def test_case_063_an_output_that_is_emptied_as_by_copytruncate_is_gone_on_with(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    daemon.start()
    commit(daemon)
    output = daemon.out / "all.ndjson"
    shutil.copyfile(output, daemon.out / "all.ndjson.1")
    os.truncate(output, 0)
    append(daemon, 100, 200)
    commit(daemon)
    append(daemon, 200, 300)
    commit(daemon)
    assert daemon.stop() == 0, daemon.stderr()
    (notice,) = daemon.said("sink.notice")
    assert "was shortened by somebody else" in notice
    assert daemon.numbers("all.ndjson.1") == list(range(100))
    assert daemon.numbers("all.ndjson") == list(range(100, 300)), "and no hole"
    assert daemon.run_to_end() == 0, "the next start knows its new length"


def test_case_063_an_output_that_is_renamed_while_stopped_is_begun_anew(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    assert daemon.run_to_end() == 0
    (daemon.out / "all.ndjson").rename(daemon.out / "all.ndjson.1")
    append(daemon, 100, 200)
    assert daemon.run_to_end() == 0
    assert daemon.numbers("all.ndjson.1") == list(range(100))
    assert daemon.numbers("all.ndjson") == list(range(100, 200))
    assert daemon.said("sink.notice")


def test_case_047_an_output_that_others_shorten_while_stopped_is_refused_each_time_and_left_alone(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    assert daemon.run_to_end() == 0
    output = daemon.out / "all.ndjson"
    os.truncate(output, 50)
    append(daemon, 100, 200)
    for _ in range(2):
        assert daemon.run_to_end() == 1
        assert output.stat().st_size == 50
        words = daemon.stderr().splitlines()[-1]
        assert str(output) in words
        assert "50 bytes" in words
        assert "somebody else has changed it" in words
    assert "Traceback" not in daemon.stderr()
    output.rename(daemon.out / "damaged")  # the way out that the message tells
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(100, 200))


def test_case_047_what_others_append_behind_the_mark_is_cut_at_the_start(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    assert daemon.run_to_end() == 0
    with (daemon.out / "all.ndjson").open("ab") as file:
        file.write(b'{"torn')
    append(daemon, 100, 200)
    assert daemon.run_to_end() == 0
    assert daemon.numbers("all.ndjson") == list(range(200))


def test_case_047_097_a_week_of_lines_by_others_behind_the_mark_is_set_aside(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured(commit_bytes="64KiB", chunk_bytes="64KiB"))
    append(daemon, 0, 100)
    assert daemon.run_to_end() == 0, daemon.stderr()
    output = daemon.out / "all.ndjson"
    whole = output.stat().st_size
    with output.open("ab") as file:
        file.write(b"theirs\n" * 200_000)
    append(daemon, 100, 200)
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert "1,400,000 bytes behind the last commit" in daemon.stderr()
    aside = output.with_name(f"all.ndjson.aside-{whole}")
    assert str(aside) in daemon.stderr()
    assert aside.read_bytes() == b"theirs\n" * 200_000
    assert daemon.numbers("all.ndjson") == list(range(200))


def test_case_097_an_output_of_a_restored_state_keeps_what_its_rotated_source_cannot_give_again(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 100)
    assert daemon.run_to_end() == 0, daemon.stderr()
    backup = {path: path.read_bytes() for path in (daemon.home / "state").iterdir()}
    append(daemon, 100, 20_000)
    assert daemon.run_to_end() == 0, daemon.stderr()
    (log,) = daemon.logs.iterdir()
    with gzip.open(daemon.logs / "app.log.1.gz", "wb") as packed:
        packed.write(log.read_bytes())
    log.unlink()
    for path in (daemon.home / "state").iterdir():
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    log.write_bytes(b'{"n": 20000}\n')
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert "streams.missing" in daemon.stderr()
    (aside,) = daemon.out.glob("all.ndjson.aside-*")
    kept = [json.loads(line)["n"] for line in aside.read_bytes().splitlines()]
    assert daemon.numbers("all.ndjson")[:100] + kept == list(range(20_000)), "nothing is lost"
    assert daemon.numbers("all.ndjson")[100:] == [20_000]


def test_two_sinks_share_the_events_by_when(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(
        configured(
            "parse.json",
            to_file("out/even.ndjson", when="n % 2 == 0"),
            {"use": "enrich.remove", "fields": ["pad"]},
            to_file("out/odd.ndjson", when="n % 2 == 1"),
        )
    )
    append(daemon, 0, 1000)
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("even.ndjson") == list(range(0, 1000, 2))
    assert daemon.events("odd.ndjson") == [{"n": n} for n in range(1, 1000, 2)]
    assert "500 written" in daemon.stderr()
    assert "500 not for this sink" in daemon.stderr()


def test_paths_by_field_and_by_time(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured("parse.json", to_file("out/{time:%Y/%m-%d}/{host}.ndjson")))
    lines = [
        {"n": n, "host": f"h{n % 3}", "timestamp": ("2026-01-10T23:30:00Z", "2026-01-11T00:30:00+01:00")[n % 2]}
        for n in range(60)
    ]
    (daemon.logs / "app.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert daemon.run_to_end() == 0, daemon.stderr()
    found = {str(path.relative_to(daemon.out)): path for path in daemon.out.rglob("*.ndjson")}
    assert sorted(found) == [f"2026/01-10/h{n}.ndjson" for n in range(3)], "UTC, whatever the event's zone"
    for n in range(3):
        assert daemon.numbers(f"2026/01-10/h{n}.ndjson") == list(range(n, 60, 3))


HOSTILE = [
    "../../etc/x",
    "/etc/passwd",
    "..",
    ".",
    "a/b",
    "",
    "nul\0byte",
    "x" * 300,
    "..\\x",
    None,
    7,
    ["a"],
    {"a": 1},
]


def test_case_085_a_value_that_tries_to_leave_the_prefix_becomes_a_dead_letter(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured("parse.json", to_file("out/hosts/{host}")))
    (daemon.home / "around").mkdir()
    lines = [json.dumps({"n": n, "host": host}) for n, host in enumerate(HOSTILE)]
    good = [json.dumps({"n": n, "host": "good"}) for n in range(100, 110)]
    (daemon.logs / "app.log").write_text("".join(line + "\n" for line in [*good[:5], *lines, *good[5:]]))
    before = {path for path in daemon.home.rglob("*") if "state" not in path.parts}
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("hosts/good") == list(range(100, 110))
    new = {path for path in daemon.home.rglob("*") if "state" not in path.parts} - before
    assert all(
        path == daemon.out or daemon.out / "hosts" in (path, *path.parents) for path in new if "stderr" not in path.name
    )
    written = sum(path.read_bytes().count(b"\n") for path in (daemon.out / "hosts").iterdir())
    dead = daemon.dead_letters()
    assert written + len(dead) == len(HOSTILE) + 10, "each line is in one place"
    raw = {letter[2].decode() for letter in dead}
    for n in (0, 1, 2, 3, 4, 5, 6, 7):
        assert lines[n] in raw, HOSTILE[n]
    assert {letter[0] for letter in dead} == {"write.file"}


def test_case_086_a_symlink_below_the_prefix_is_refused_by_name_and_its_target_unchanged(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(configured("parse.json", to_file("out/{source}")))
    secret = daemon.home / "secret"
    secret.write_text("secret\n")
    daemon.out.mkdir()
    (daemon.out / "app.log").symlink_to(secret)
    append(daemon, 0, 10)
    daemon.start()
    daemon.until(lambda: daemon.said("sink.retry"), "it refuses", EVERYTHING)
    line = daemon.said("sink.retry")[0]
    assert str(daemon.out / "app.log") in line
    assert "symbolic link" in line
    assert secret.read_text() == "secret\n"
    (daemon.out / "app.log").unlink()
    daemon.until(daemon.has("app.log", 10), "it goes on when the link is away", EVERYTHING)
    assert daemon.stop() == 0
    assert secret.read_text() == "secret\n"


def test_case_086_a_state_file_that_is_a_symlink_is_refused(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured())
    append(daemon, 0, 10)
    secret = daemon.home / "secret"
    secret.write_text("secret\n")
    for name in ("tailrace.sqlite", "lock"):
        (daemon.home / "state").mkdir(exist_ok=True)
        link = daemon.home / "state" / name
        link.unlink(missing_ok=True)
        link.symlink_to(secret)
        assert daemon.run_to_end() == 1
        assert "symbolic link" in daemon.stderr().splitlines()[-1]
        assert secret.read_text() == "secret\n"
        link.unlink()


def test_our_own_output_is_not_read_again_through_a_symlinked_directory(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured("parse.json", to_file("out/all.log"), source={"paths": ["logs/**/*.log"]}))
    daemon.out.mkdir()
    (daemon.logs / "seen").symlink_to(daemon.out)  # `check` sees only names
    (daemon.logs / "hard").mkdir()
    append(daemon, 0, 100)
    daemon.start()
    daemon.until(daemon.has("all.log", 100), "the events", EVERYTHING)
    os.link(daemon.out / "all.log", daemon.logs / "hard" / "linked.log")  # the same file by another name
    for n in range(5):
        append(daemon, 100 + n, 101 + n)
        daemon.until(daemon.has("all.log", 101 + n), "the next event", EVERYTHING)
        commit(daemon)
    code = daemon.stop()
    assert daemon.numbers("all.log") == list(range(105)), "nothing was read twice"
    assert code == 0, daemon.stderr()


def test_a_thousand_outputs_that_appear_at_once_are_made_and_committed(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configured("parse.json", to_file("out/{host}", max_open_files=100)))
    lines = [json.dumps({"n": n, "host": f"h{n % 1001}"}) + "\n" for n in range(3003)]
    (daemon.logs / "app.log").write_text("".join(lines))
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert len(list(daemon.out.iterdir())) == 1001
    assert all(daemon.numbers(f"h{n}") == [n, n + 1001, n + 2002] for n in range(1001))
    until(daemon.group_is_gone, "it is gone")
