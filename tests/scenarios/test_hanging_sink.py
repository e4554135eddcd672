"""A sink that hangs while the daemon ends: positions stay as they were, and the next start delivers the rest once."""

from __future__ import annotations

import pytest

from ..configuration import configuration
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import numbered

CONFIG = configuration(
    "parse.json",
    {"use": "hanging:Hanging", "path": "out/all.ndjson"},
    workers=2,
    commit_interval="20ms",
    chunk_bytes="64KiB",
    shutdown_timeout="300ms",
    source={"max_line_bytes": "4KiB"},
)
HANGING = '''
"""write.file that hangs in deliver or sync while the file `hang` names that method."""

import pathlib
import threading

from tailrace.stages.write.file import File

HOME = pathlib.Path(__file__).parent


def hang(method):
    if (HOME / "hang").exists() and (HOME / "hang").read_text() == method:
        (HOME / "hangs").touch()
        threading.Event().wait()


class Hanging(File):
    def deliver(self, batch):
        hang("deliver")
        super().deliver(batch)

    def sync(self, cut):
        hang("sync")
        return super().sync(cut)
'''
FIRST, LINES = 2_000, 20_000


@pytest.mark.parametrize("method", ["deliver", "sync"])
def test_case_071_a_sink_that_hangs_during_shutdown_leaves_positions_where_they_were(
    make_daemon: MakeDaemon, method: str
) -> None:
    daemon = make_daemon(CONFIG)
    (daemon.home / "hanging.py").write_text(HANGING)
    log = daemon.logs / "app.log"
    log.write_bytes(numbered(0, FIRST))
    done = log.stat().st_size
    daemon.start()
    daemon.until(lambda: daemon.committed() == done, "the first lines are committed")
    (daemon.home / "hang").write_text(method)
    with log.open("ab") as file:
        file.write(numbered(FIRST, LINES))
    daemon.until((daemon.home / "hangs").exists, "the sink hangs")
    assert daemon.stop() == 1, daemon.stderr()
    until(daemon.group_is_gone, "no process is left")
    assert daemon.committed() == done
    assert "not everything was committed within pipeline.shutdown_timeout" in daemon.stderr()
    assert "Traceback" not in daemon.stderr()

    (daemon.home / "hang").unlink()
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert daemon.numbers("all.ndjson") == list(range(LINES))
