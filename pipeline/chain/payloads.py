"""What a sink's stage has encoded, for its slot: joined, or with each record told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from tailrace.pipeline.chain.outcome import Encoded, columns
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.outgoing import Payload


def joined(sink: int, payloads: list[Payload]) -> list[Encoded]:
    """With the neighbours of one destination put together."""
    together = []
    for destination, run in groupby(payloads, lambda payload: payload.destination):
        datas = [payload.data for payload in run]
        together.append(Encoded(sink, destination, datas[0] if len(datas) == 1 else b"".join(datas)))
    return together


def told_apart(
    step: Step,
    payloads: Sequence[Payload],
    begins: Sequence[int],
    numbers: Sequence[int],
    lengths_of: Callable[[list[int]], list[int]],
    base: int,
) -> list[Encoded]:
    """Of each event that was encoded: where its line begins in the piece, and its number among those of the line.
    ``base``: of the piece in the slot. TypeError: the stage does not tell them apart, or left some out."""
    encoded = []
    missing = len(begins)
    for payload in payloads:
        ends = payload.ends
        which = payload.events if payload.events is not None else range(len(begins))
        if ends is None or len(ends) != len(which) or (ends[-1] if ends else 0) != len(payload.data):
            raise TypeError(f"{step.label} must tell where each record of a payload ends (Payload.ends)")
        if not ends:
            continue
        missing -= len(which)
        whole = payload.events is None
        of = list(begins) if whole else [begins[index] for index in which]
        offsets = [base + at for at in of]
        table = columns(ends, offsets, lengths_of(of), numbers if whole else [numbers[index] for index in which])
        encoded.append(Encoded(step.sink, payload.destination, payload.data, table))
    if missing > 0:  # they would count as written
        raise TypeError(f"{step.label} left out {missing} of {len(begins)} events; raise Reject for those")
    return encoded
