"""What very many files cost: the descriptor to be let go is found by looking at few, and scans leave time to read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.source.tail.descriptors import CANDIDATES, Descriptors
from tailrace.pipeline.source.tail.file import File

from ...inside import adjust


def test_case_041_what_to_close_is_found_by_looking_at_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: all that are open are looked at; then a hundred thousand new files take hours (``make long``)."""
    looked_at: list[File] = []

    def has_data(file: File) -> bool:
        looked_at.append(file)
        return True

    monkeypatch.setattr(File, "has_data", property(has_data))
    descriptors = Descriptors(limit=200)
    count = 600
    for number in range(count):
        path = tmp_path / str(number)
        path.touch()
        status = path.stat()
        descriptors.open(File(os.fsencode(path), path.name, status.st_dev, status.st_ino))
    assert len(descriptors) == 200
    assert (count - 200) <= len(looked_at) <= (count - 200) * 2 * CANDIDATES
    descriptors.close_all()


def test_case_041_scans_of_very_many_files_leave_time_to_read_them(
    stand: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: each second, whatever it costs. With 100,000 files nothing else was done (``make long``)."""
    adjust(monkeypatch.setattr, scan_cost=1.0)
    rig = stand()
    for number in range(5):
        rig.write(f"{number}.log", f"{number}\n")
    rig.start()
    before = rig.running._registry.scan
    for _ in range(20):
        rig.poll(1.0)
    assert rig.running._registry.scan == before + 4
