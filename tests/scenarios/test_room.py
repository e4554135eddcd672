"""Whatever room is left on a disk, it is waited for, or the end is loud, and nothing is lost or there twice.

``make room`` tries some thousand sizes.
"""

from __future__ import annotations

import re
import subprocess
import sys


def test_case_062_080_a_disk_with_room_for_some_bytes_gives_in_the_end_what_one_with_room_for_all_gives() -> None:
    command = [sys.executable, "-m", "tests.scenarios.room", "--every", "2503", "--from", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    said = done.stdout + done.stderr
    words = {
        word: int(count) for count, word in re.findall(r"^ *(\d+) ([a-z]+ ?[a-z]*: [a-z]+)$", done.stdout, re.MULTILINE)
    }
    assert done.returncode == 0, said
    assert "differences: 0" in said
    for limit in ("outputs", "every file"):
        assert words[f"{limit}: waited"] > 3, said
        assert words[f"{limit}: stopped"] > 3, said
    assert words["every file: refused"] > 10, said
