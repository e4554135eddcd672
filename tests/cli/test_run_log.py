"""What `run` says at its end, and in which order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import JSON_LINES, Run


def test_the_last_line_tells_the_end_and_counts_of_warnings_come_before(
    config: Path, tailrace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_LOG_FORMAT", "json")
    config.write_text(JSON_LINES)
    chunk = b"no json\n" + b'{"pad":"%s"}\n' % (b"x" * 1000) * 65
    (config.parent / "app.log").write_bytes(chunk * 4)
    code, _, err = tailrace("run", "--until-eof")
    assert code == 0
    said = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [line.get("repeated") for line in said if line["event"] == "line.dead"] == [None, 3]
    assert said[-1]["event"] == "pipeline.stopped"


def test_patterns_that_match_nothing_are_told(config: Path, tailrace: Run) -> None:
    config.write_text(JSON_LINES)
    code, _, err = tailrace("run", "--until-eof")
    assert code == 0
    (line,) = [line for line in err.splitlines() if "] files.none" in line]
    assert f"{config.parent}/*.log" in line
    (config.parent / "app.log").touch()
    assert "files.none" not in tailrace("run", "--until-eof")[2]
