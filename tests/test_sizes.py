"""Sizes as people read them."""

import pytest
from tailrace.pipeline.sizes import readable_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (64 << 20, "64.0 MiB"),
        (3 << 29, "1.5 GiB"),
        (5000 << 40, "5,000.0 TiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes_have_one_decimal_and_a_unit(size: int, text: str) -> None:
    assert readable_size(size) == text
