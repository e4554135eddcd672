"""The sample logs in the repository are what their generator writes, and hold the bad lines the demo is about."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "sample_logs"
NAMES = ["access.log", "app.log", "syslog.log"]


def test_generator_reproduces_the_committed_samples_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLES / "generate.py", tmp_path], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name


def test_samples_stay_small_enough_to_be_committed() -> None:
    assert 900_000 < sum((SAMPLES / name).stat().st_size for name in NAMES) < 1_300_000


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_holds_the_bad_lines_of_real_logs(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    lines = data.split(b"\n")
    assert lines.pop() == b"", "the last line is whole"
    assert len(lines) >= 2000
    assert b"" in lines
    assert sum(line.endswith(b"\r") for line in lines) >= 5
    assert re.search(rb"[\x01-\x08]", data), "binary junk"
    with pytest.raises(UnicodeDecodeError):
        data.decode()


def test_one_line_of_each_sample_is_longer_than_the_configured_limit() -> None:
    limit = tomllib.loads((ROOT / "config.toml").read_text())["source"]["max_line_bytes"]
    assert limit == "16KiB"
    for name in NAMES:
        assert sum(len(line) > 16 << 10 for line in (SAMPLES / name).read_bytes().split(b"\n")) == 1, name
