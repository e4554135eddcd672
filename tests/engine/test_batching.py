"""Records of several chunks in one batch: what each is called, and where it comes from."""

from __future__ import annotations

from array import array

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.outcome import Encoded
from tailrace.pipeline.delivery import Batch
from tailrace.pipeline.sinks.batching import OPEN, Batching, Place, Records


def chunk(stream: int, start: int) -> Chunk:
    return Chunk(stream, f"abcdefgh-{stream}", "a.log", "/a.log", start, 100, start + 100, 0.0, 0.0)


def test_open_batches_of_many_destinations_are_bounded_together() -> None:
    sent: list[Records] = []
    batching = Batching(Batch(max_bytes=1024), sent.append)
    for n in range(30):
        batching.add(Encoded(0, f"t{n}", b"x" * 100, array("q", [100, 0, 99, 0])), chunk(1, 0))
        assert 100 * (n + 1 - len(sent)) <= OPEN * 1024
    assert [batch.destination for batch in sent] == [f"t{n}" for n in range(10)], "the oldest go first"


def test_a_record_keeps_its_name_and_place_also_in_a_part_of_its_batch() -> None:
    sent: list[Records] = []
    batching = Batching(Batch(max_events=4), sent.append)
    first, second = chunk(1, 1000), chunk(2, 0)
    batching.add(Encoded(0, "t", b"a\nbb\nc\n", array("q", [2, 5, 7, 0, 10, 10, 9, 8, 8, 0, 0, 1])), first)
    batching.add(Encoded(0, "t", b"d\ne\n", array("q", [2, 4, 0, 20, 19, 7, 0, 0])), second)
    batching.flush()
    whole, rest = sent
    assert whole.outgoing().ids == ["abcdefgh-1:1000", "abcdefgh-1:1010", "abcdefgh-1:1010.1", "abcdefgh-2:0"]
    assert bytes(whole.data) == b"a\nbb\nc\nd\n"
    assert rest.outgoing().ids == ["abcdefgh-2:20"]
    assert rest.place(0) == Place(second, 20, 7, "abcdefgh-2:20")
    part = whole.pick([1, 3])
    assert (part.outgoing().ids, part.ends, bytes(part.data)) == (
        ["abcdefgh-1:1010", "abcdefgh-2:0"],
        [3, 5],
        b"bb\nd\n",
    )
    assert part.place(0) == Place(first, 10, 8, "abcdefgh-1:1010")
