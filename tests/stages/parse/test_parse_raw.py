"""parse.raw."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.raw import Raw


@given(st.lists(st.text(min_size=1).map(lambda text: text.replace("\n", "\r")), min_size=1))
def test_every_line_becomes_a_message_and_only_newlines_part_lines(lines: list[str]) -> None:
    assert Raw().parse(of("\n".join(lines))) == [{"message": line} for line in lines]
