"""The benchmark's inputs are what they say, and its bare loop does the whole job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks import contenders, inputs

ROOT = Path(__file__).parent.parent.parent
SIZE = 1_000_000


def run_limit(kind: str, source: Path, output: Path, *more: str) -> bytes:
    command = [sys.executable, "-m", "benchmarks.limit", kind, str(source), str(output), *more]
    subprocess.run(command, check=True, cwd=ROOT)
    return output.read_bytes()


@pytest.mark.parametrize("kind", list(inputs.KINDS))
def test_input_has_its_size_ends_with_a_line_and_repeats_none(kind: str, tmp_path: Path) -> None:
    data = inputs.make(kind, SIZE, tmp_path).read_bytes()
    assert SIZE <= len(data) < SIZE + 1000
    assert data.endswith(b"\n")
    lines = data.splitlines()
    assert len(lines) > 3000
    assert len(set(lines)) == len(lines)


def test_input_is_the_same_every_time(tmp_path: Path) -> None:
    first = inputs.make("combined", SIZE, tmp_path / "a").read_bytes()
    assert inputs.make("combined", SIZE, tmp_path / "b").read_bytes() == first


def test_real_file_is_repeated_up_to_the_size(tmp_path: Path) -> None:
    original = tmp_path / "real.log"
    original.write_bytes(b"one\ntwo\nthree")
    data = inputs.repeat(original, 30, tmp_path).read_bytes()
    assert data == b"one\ntwo\nthree\none\ntwo\nthree\none\n"


@pytest.mark.parametrize("kind", list(inputs.KINDS))
def test_limit_writes_one_event_a_line_and_two_halves_make_the_whole(kind: str, tmp_path: Path) -> None:
    source = inputs.make(kind, SIZE, tmp_path)
    whole = run_limit(kind, source, tmp_path / "whole")
    assert whole.count(b"\n") == inputs.lines_in(source)
    halves = [run_limit(kind, source, tmp_path / half, "--half", half) for half in ("1", "2")]
    assert all(halves)
    assert b"".join(halves) == whole


def test_limit_types_the_fields_of_a_combined_line(tmp_path: Path) -> None:
    source = tmp_path / "access.log"
    source.write_text('::1 - ada [14/Mar/2026:09:00:00 +0130] "GET /a HTTP/1.1" 304 - "-" "curl/8"\n')
    assert orjson.loads(run_limit("combined", source, tmp_path / "out")) == {
        "host": "::1",
        "ident": None,
        "user": "ada",
        "time": "2026-03-14T09:00:00+01:30",
        "method": "GET",
        "path": "/a",
        "proto": "HTTP/1.1",
        "status": 304,
        "size": None,
        "referer": None,
        "agent": "curl/8",
        "env": "bench",
    }


@pytest.mark.parametrize("kind", list(inputs.KINDS))
def test_tailrace_and_the_limit_write_the_same_events(kind: str, tmp_path: Path) -> None:
    source = inputs.make(kind, SIZE, tmp_path)
    lines = inputs.lines_in(source)
    contenders.tailrace(workers=0)(contenders.Job(kind, source, lines, tmp_path))
    ours = (tmp_path / "out" / f"{source.name}.ndjson").read_bytes().splitlines()
    limit = run_limit(kind, source, tmp_path / "limit").splitlines()
    assert len(ours) == lines
    assert [orjson.loads(line) for line in ours] == [orjson.loads(line) for line in limit]
