"""Rotation that packs the old file, inside the pattern: no packed byte becomes a line, or each line comes once."""

from __future__ import annotations

import gzip
import random
import threading

from ..configuration import configuration
from .conftest import MakeDaemon
from .daemon import numbered

CONFIG = configuration(commit_interval="50ms", source={"paths": ["logs/access.log*"], "close_after": "500ms"})


def test_packed_files_in_the_pattern_are_passed_over_and_each_line_comes_once(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(CONFIG)
    log = daemon.logs / "access.log"
    (daemon.logs / "access.log.9.gz").write_bytes(gzip.compress(numbered(90_000, 91_000)))
    log.write_bytes(numbered(0, 100))
    daemon.start()
    daemon.until(daemon.has("all.ndjson", 100), "the lines before the first rotation")
    for turn in range(1, 5):
        for number in range(turn - 1, 0, -1):
            (daemon.logs / f"access.log.{number}.gz").rename(daemon.logs / f"access.log.{number + 1}.gz")
        old = log.rename(daemon.logs / "access.log.1")
        log.write_bytes(numbered(turn * 100, turn * 100 + 50))
        with old.open("ab") as writer:
            writer.write(numbered(turn * 100 + 50, turn * 100 + 100))
        (daemon.logs / "access.log.1.gz").write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()
        daemon.until(daemon.has("all.ndjson", turn * 100 + 100), f"the lines after rotation {turn}")
    assert daemon.stop() == 0
    assert sorted(daemon.numbers("all.ndjson")) == list(range(500))
    assert daemon.dead_letters() == []
    assert any("access.log.9.gz" in line for line in daemon.said("file.compressed"))
    told = len(daemon.said("file.compressed"))
    assert daemon.run_to_end() == 0
    assert sorted(daemon.numbers("all.ndjson")) == list(range(500))
    assert len(daemon.said("file.compressed")) == told, "once for each file"
    assert "skipped (compressed)" in daemon.stderr(2)


def test_case_037_files_that_are_packed_and_archives_are_read_once_through_kills(
    make_daemon: MakeDaemon, kills: int
) -> None:
    source = {"paths": ["logs/access.log*"], "close_after": "200ms", "compressed": "read"}
    daemon = make_daemon(configuration(commit_interval="20ms", source=source, workers=1, chunk_bytes="64KiB"))
    kills = max(3, kills // 2)
    chance = random.Random(kills)  # noqa: S311  (moments, no secret)
    pause = threading.Event()
    log = daemon.logs / "access.log"
    written = 0
    for turn in range(kills):
        archive = numbered(1_000_000 + turn * 20_000, 1_000_000 + (turn + 1) * 20_000)
        (daemon.logs / f"access.log-{turn}.gz").write_bytes(gzip.compress(archive, 1))
        with log.open("ab") as writer:
            writer.write(numbered(written, written + 5000))
        written += 5000
        daemon.start()
        pause.wait(chance.uniform(0.3, 0.8))
        if chance.random() < 0.5:
            old = log.rename(daemon.logs / "access.log.1")
            pause.wait(chance.uniform(0.0, 0.3))
            (daemon.logs / f"access.log.{turn}.1.gz").write_bytes(gzip.compress(old.read_bytes()))
            old.unlink()
        daemon.kill_group()
        if not log.exists():
            log.touch()
    assert daemon.run_to_end() == 0, daemon.stderr()
    expected = [*range(written), *range(1_000_000, 1_000_000 + kills * 20_000)]
    assert sorted(daemon.numbers("all.ndjson")) == expected
    assert daemon.dead_letters() == []
