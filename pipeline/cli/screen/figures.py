"""Figures as people read them at a glance. What is not known is a question mark, never a nought."""

from __future__ import annotations

from tailrace.pipeline.sizes import readable_size

UNKNOWN = "?"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LETTERS = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d"}


def count(value: float | None) -> str:
    """``1,234``."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """``1.5 KiB``."""
    return UNKNOWN if value is None else readable_size(int(value))


def share(value: float | None) -> str:
    """``42%``."""
    return UNKNOWN if value is None else f"{value:.0%}"


def rate(value: float | None) -> str:
    """So many a second; of few, the tenth counts."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"


def lasting(seconds: float | None) -> str:
    """``12ms``, ``0.4s``, ``12s``, ``5m 2s``, ``2h 5m``, ``3d``."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms" if seconds else "0s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    large, small = next(parts for parts in ((_DAY, _HOUR), (_HOUR, _MINUTE), (_MINUTE, 1)) if whole >= parts[0])
    rest = whole % large // small
    return f"{whole // large}{_LETTERS[large]}" + (f" {rest}{_LETTERS[small]}" if rest else "")


def plural(number: float, one: str, many: str = "") -> str:
    """``1 line``, ``2 lines``."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"
