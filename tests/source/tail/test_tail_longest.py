"""Lines of exactly the longest length allowed, wherever they stand in a buffer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .tail_stand import Stand

LONGEST = "x" * 1000 + "\n"  # max_line_bytes of a stand


@pytest.mark.parametrize("order", ["LS", "SL", "LLS", "SLS", "LSL", "SLLS"])
def test_a_line_of_exactly_the_limit_is_a_line_among_any_others(stand: Callable[..., Stand], order: str) -> None:
    lines = [LONGEST if letter == "L" else "short\n" for letter in order]
    rig = stand("a.log")
    rig.write("a.log", "".join(lines))
    rig.start().run()
    assert rig.lines() == lines
    assert not rig.oversize
