"""Which descriptor is let go when there is no room: found by looking at few, however many are open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.source.descriptors import CANDIDATES, Descriptors
from pipeline.source.reader import File


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
