"""Sizes as people read them. What the configuration takes is in ``config/units.py``."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def readable_size(size: int) -> str:
    """``1 byte``, ``512 bytes``, ``1.5 KiB``, ``64.0 MiB``."""
    if abs(size) < 1024:
        return f"{size} {'byte' if size == 1 else 'bytes'}"
    amount = float(size)
    for unit in _UNITS:
        amount /= 1024
        if abs(round(amount, 1)) < 1024 or unit == _UNITS[-1]:
            break
    return f"{amount:,.1f} {unit}"
