"""What tests of rotation look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailrace.pipeline.source.tail.file import File

Make = Callable[..., Any]


def split(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def open_files(rig: Any) -> int:
    return len(rig.running._descriptors)


def living(rig: Any) -> list[File]:
    return list(rig.running._registry.living.values())
