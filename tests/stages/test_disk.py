"""Syncing reaches the kernel, for the very file or directory that was meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tailrace.pipeline import disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that the kernel was asked to make durable."""
    inodes: list[int] = []

    def sync(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(disk, "_datasync", sync)
    return inodes


def test_sync_asks_the_kernel_for_that_file(tmp_path: Path, synced: list[int]) -> None:
    path = tmp_path / "out"
    path.touch()
    descriptor = disk.open_file(str(path.resolve()))
    disk.sync(descriptor, str(path))
    os.close(descriptor)
    assert synced == [path.stat().st_ino]


def test_sync_directory_asks_the_kernel_for_that_directory(tmp_path: Path, synced: list[int]) -> None:
    disk.sync_directory(str(tmp_path.resolve()))
    assert synced == [tmp_path.stat().st_ino]


def test_what_syncs_files_is_a_call_of_the_kernel() -> None:
    assert disk._datasync is getattr(os, "fdatasync", os.fsync)
