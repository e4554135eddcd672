"""A line of small bars: how a figure went in the last minutes."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
NOTHING = " "  # where a value is not known


def spark(values: Sequence[float | None], width: int) -> str:
    """The last ``width`` of them, a bar each, as tall as its share of the largest; nought is the lowest bar."""
    shown = list(values)[-width:] if width > 0 else []
    most = max((value for value in shown if value is not None), default=0.0)
    return "".join(_bar(value, most) for value in shown)


def _bar(value: float | None, most: float) -> str:
    if value is None:
        return NOTHING
    if value <= 0 or most <= 0:
        return BARS[0]
    return BARS[min(len(BARS) - 1, max(1, round(value / most * (len(BARS) - 1))))]


def gauge(share: float, width: int) -> str:
    """``████▌     ``: a share of ``width`` columns, in eighths."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)
