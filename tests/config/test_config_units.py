"""One number and one unit; what comes close is told what it probably meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.config.units import format_duration, format_size, parse_duration, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("64KiB", 65536), ("10MB", 10_000_000), ("1 MiB", 1 << 20), ("1.5GiB", 3 << 29), ("2TB", 2 * 10**12)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("500ms", 0.5), ("1.5s", 1.5), ("5m", 300), ("1h", 3600), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1048576", 'which has no unit; for that many bytes write "1MiB"'),
        ("1000", 'which has no unit; for that many bytes write "1KB"'),
        ("1mb", 'did you mean "1MB"?'),
        ("1M", 'did you mean "1MB" or "1MiB"?'),
        ("1Mb", 'did you mean "1MB"?'),
        ("1XB", "(units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB)"),
        ("-1B", 'expected a size: one number and one unit, for example "1MiB"'),
        ("", "expected a size: one number and one unit"),
        ("1MiB1KiB", "expected a size: one number and one unit"),
        ("\u0661B", "expected a size: one number and one unit"),
    ],
)
def test_a_wrong_size_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_size(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("30", 'which has no unit; for that many seconds write "30s"'),
        ("0.5", 'which has no unit; for that many seconds write "500ms"'),
        ("5min", 'did you mean "5m"?'),
        ("1sec", 'did you mean "1s"?'),
        ("1M", 'did you mean "1m"?'),
        ("1w", "(units: ms, s, m, h, d)"),
        ("1h30m", 'expected a duration: one number and one unit, for example "30s"'),
    ],
)
def test_a_wrong_duration_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_duration(text)
    assert problem in str(caught.value)


@given(st.integers(0, 1 << 50))
def test_a_size_is_spelled_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(1, 10**9))
def test_a_duration_is_spelled_exactly(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (64 << 20, "64 MiB"),
        (10_000_000, "10 MB"),
        (1_234_567, "1.2 MiB (1,234,567 bytes)"),
        (1000, "1 KB"),
        (1001, "1001 bytes"),
        (1025, "1.0 KiB (1,025 bytes)"),
        (0, "0 bytes"),
    ],
)
def test_a_size_is_shown_for_reading(size: int, shown: str) -> None:
    assert show_size(size) == shown
