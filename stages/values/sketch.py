"""Numbers added up so that the order does not matter: exact sums, and histograms for percentiles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import ceil, exp, log

LARGEST = 1e300  # of the floats that can be added up here
_INT64 = 1 << 63
# Digits enough for any sum of floats that is exact, from the largest (308 digits) to the smallest (342 decimals).
_EXACT = Context(prec=700, rounding=ROUND_HALF_EVEN, Emax=10_000, Emin=-10_000)
_STEP = log(1.02 / 0.98)  # a bucket's width, as a logarithm: values in it differ from its middle by 2 % at most
_BUCKETS = 512  # on either side of zero: from the largest down to its 800-millionth, the rest is in the last one
_WHOLE = re.compile(r"-?[0-9]+").fullmatch

Sum = int | str
"""A JSON value: an int, or as text what is none or has more than 64 bits."""


def total(values: Iterable[int | float]) -> Sum:
    """Of finite numbers. Floats count as the shortest decimal number that they are written as, so 0.1 and 0.2 are 0.3
    together, in whatever order."""
    values = list(values)
    if {*map(type, values)} <= {int}:
        return _kept(sum(values))  # type: ignore[arg-type]  # of the set of types, mypy makes nothing
    made = Decimal(sum(value for value in values if type(value) is int))
    for value in values:
        if type(value) is float:
            made = _EXACT.add(made, Decimal(repr(value)))
    text = str(made)
    return _kept(int(text)) if _WHOLE(text) else text


def plus(one: Sum, other: Sum) -> Sum:
    if type(one) is int and type(other) is int:
        return _kept(one + other)
    made = str(_EXACT.add(Decimal(one), Decimal(other)))
    return _kept(int(made)) if _WHOLE(made) else made


def number(value: Sum) -> int | float:
    """The sum as a number for an event."""
    return value if type(value) is int else float(value)


def _kept(value: int) -> Sum:
    return value if -_INT64 <= value < _INT64 else str(value)


Sketch = Mapping[str, int]
"""A JSON value: how many numbers there are in each bucket. "0" is zero; others have a sign and the number of a power
(after DDSketch: Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019)."""


def sketch(values: Iterable[int | float]) -> Sketch:
    return _collapsed(Counter(map(_bucket, values)))


def joined(one: Sketch, other: Sketch) -> Sketch:
    return _collapsed(Counter(one) + Counter(other))


def quantile(of: Sketch, share: float) -> float:
    """The value that so much of the whole (0 to 1) is not larger than; off by 2 % at most."""
    ordered = sorted(of.items(), key=lambda one: _middle(one[0]))
    rank = max(1, ceil(share * sum(of.values())))
    for bucket, count in ordered:
        rank -= count
        if rank <= 0:
            return _middle(bucket)
    raise ValueError("a sketch of nothing")


def _bucket(value: int | float) -> str:
    if not value:
        return "0"
    return f"{'-' if value < 0 else '+'}{ceil(log(abs(value)) / _STEP)}"


def _middle(bucket: str) -> float:
    if bucket == "0":
        return 0.0
    size = exp(int(bucket[1:]) * _STEP) * 0.98  # from both ends 2 %
    return float(f"{-size if bucket[0] == '-' else size:.6g}")


def _collapsed(buckets: Counter[str]) -> Sketch:
    """Few are wanted on either side: the smallest are put into one. Which, depends on the largest alone."""
    if len(buckets) <= _BUCKETS:
        return dict(buckets)
    for sign in "+-":
        powers = [int(bucket[1:]) for bucket in buckets if bucket[0] == sign]
        if len(powers) > _BUCKETS:
            least = max(powers) - _BUCKETS + 1
            for power in powers:
                if power < least:
                    buckets[f"{sign}{least}"] += buckets.pop(f"{sign}{power}")
    return dict(buckets)
