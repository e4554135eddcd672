"""What the state holds of a line that died: its bytes as they were, where it stood, and why."""

from __future__ import annotations

import pytest

from ..configuration import configuration
from .conftest import MakeDaemon
from .daemon import numbered

LINES = [
    b"\0\0 NULs \0",
    b"\xff\xfe no UTF-8 \xc3",
    b'{"n": "\xed\xa0\x80 half a surrogate"',
    b"\xef\xbb\xbf a mark in the middle of a file",
    b'{"tab":\t1,\r"cr": }\r',
    bytes(byte for byte in range(256) if byte != ord("\n")),
]


@pytest.mark.parametrize("workers", [0, 1])
def test_case_076_a_row_has_the_bytes_as_they_were_the_place_and_the_reason(
    make_daemon: MakeDaemon, workers: int
) -> None:
    daemon = make_daemon(configuration(workers=workers))
    data = numbered(0, 10)
    starts = []
    for line in LINES:
        starts.append(len(data))
        data += line + b"\n" + numbered(10, 12)
    log = daemon.logs / "app.log"
    log.write_bytes(data)
    assert daemon.run_to_end() == 0, daemon.stderr()
    rows = daemon.query(
        "SELECT raw, offset, length, event_id, file, path, stage, error, attempts FROM dead_letters ORDER BY offset"
    )
    assert [bytes(row[0]) for row in rows] == LINES
    assert [row[1] for row in rows] == starts
    assert [row[2] for row in rows] == list(map(len, LINES))
    ((state,),) = daemon.query("SELECT value FROM meta WHERE key = 'state'")
    assert [row[3] for row in rows] == [f"{state}-1:{start}" for start in starts]
    assert {row[4:] for row in rows} == {("app.log", str(log), "parse.json", "no_match", 1)}
    for raw, offset, *_ in rows:
        assert data[offset : offset + len(raw)] == bytes(raw), "what stands in the file there"
