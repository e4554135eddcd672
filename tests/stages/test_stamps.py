"""Times of RFC 3339, many at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail
from tailrace.stages.values.stamps import Stamps
from tailrace.stages.values.times import Times

TIMES = [
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:59.123456789Z",
    "2024-01-01T00:00:60Z",
    "2024-01-01T02:00:00.5+02:00",
    "2024-02-30T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-01-01T00:00:00.1234567890Z",
    "2024-01-01 00:00:00Z",
    "2024-01-01T00:00:00Z\n2024-01-01T00:00:00Z",
    "",
    "no time",
]


@given(st.lists(st.lists(st.sampled_from(TIMES), min_size=1), min_size=1))
def test_each_time_is_what_it_is_alone(pieces: list[list[str]]) -> None:
    stamps, alone = Stamps(), Times(("rfc3339",))
    for texts in pieces:
        times = stamps(texts)
        failed = False
        for text, time in zip(texts, times, strict=True):
            try:
                assert time == alone(text)
            except ValueError as error:
                assert isinstance(time, Fail)
                assert (time.code, time.why) == ("bad_timestamp", str(error))
                failed = True
        assert stamps.failed == failed
