"""The error of a command that was called in a way it does not know."""

from __future__ import annotations

from tailrace.pipeline.errors import TailraceError


class UsageError(TailraceError):
    """Reported by its message alone, like its parent, but with exit code 2."""
