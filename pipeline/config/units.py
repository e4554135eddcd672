"""Sizes and durations as people write them: ``"1MiB"``, ``"500ms"``. One number, one unit, never a bare number."""

from __future__ import annotations

import difflib
import re

SIZES = {"B": 1}
for _power, _letter in enumerate("KMGT", start=1):
    SIZES[f"{_letter}B"] = 1000**_power
    SIZES[f"{_letter}iB"] = 1024**_power

DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_AMOUNT = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes. ValueError says what is wrong with the text and what to write instead."""
    number, unit = _split(text, "size", "1MiB", SIZES)
    if not unit:
        raise ValueError(f'which has no unit; for that many bytes write "{format_size(round(number))}"')
    return round(number * SIZES[unit])


def parse_duration(text: str) -> float:
    """Seconds. ValueError says what is wrong with the text and what to write instead."""
    number, unit = _split(text, "duration", "30s", DURATIONS)
    if not unit:
        raise ValueError(f'which has no unit; for that many seconds write "{format_duration(number)}"')
    return round(number * DURATIONS[unit], 6)


def format_size(size: int) -> str:
    """The shortest exact spelling: 1048576 is ``1MiB``, 1000000 is ``1MB``, 1234 is ``1234B``."""
    fitting = [f"{size // factor}{unit}" for unit, factor in SIZES.items() if size and size % factor == 0]
    return min(fitting, key=len, default="0B")


def show_size(size: int) -> str:
    """For reading: ``64 MiB``; what no unit gives exactly also as bytes: ``1.2 MiB (1,234,567 bytes)``."""
    exact = format_size(size)
    if not exact[-2].isdigit():
        return re.sub(r"(\d)(?=[A-Z])", r"\1 ", exact)
    unit = next((unit for unit in ("TiB", "GiB", "MiB", "KiB") if size >= SIZES[unit]), "")
    return f"{size / SIZES[unit]:,.1f} {unit} ({size:,} bytes)" if unit else f"{size} bytes"


def format_duration(seconds: float) -> str:
    """The shortest spelling: 0.5 is ``500ms``, 30 is ``30s``, 3600 is ``1h``."""
    amounts = ((seconds / factor, unit) for unit, factor in DURATIONS.items())
    fitting = [f"{amount:.0f}{unit}" for amount, unit in amounts if amount >= 1 and round(amount, 6) == round(amount)]
    return min(fitting, key=len, default=f"{seconds:g}s")


def _split(text: str, what: str, example: str, units: dict[str, int] | dict[str, float]) -> tuple[float, str]:
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        raise ValueError(f'expected a {what}: one number and one unit, for example "{example}"')
    number, unit = found.groups()
    if unit and unit not in units:
        raise ValueError(f'whose unit "{unit}" is not known{_meant(number, unit, units)} (units: {", ".join(units)})')
    return float(number), unit


def _meant(number: str, unit: str, units: dict[str, int] | dict[str, float]) -> str:
    same = [name for name in units if name.lower() in (unit.lower(), unit.lower() + "b", unit.lower() + "ib")]
    near = same or difflib.get_close_matches(unit, units, n=1, cutoff=0.7) or _by_first_letter(unit, units)
    return "; did you mean " + " or ".join(f'"{number}{name}"' for name in near) + "?" if near else ""


def _by_first_letter(unit: str, units: dict[str, int] | dict[str, float]) -> list[str]:
    """``sec`` and ``hours`` mean ``s`` and ``h``."""
    return [name for name in units if name == unit[0]]
