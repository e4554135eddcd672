"""Rotation, crash, sink, restart and the reader's place in combination: any two of their values meet at least once.

``make product`` runs all combinations.
"""

from __future__ import annotations

import itertools
from dataclasses import astuple
from pathlib import Path

import pytest

from .conditions import VALUES, Combination, pairwise, product
from .story import Story

CHOSEN = pairwise()


@pytest.mark.parametrize("combination", CHOSEN, ids=str)
def test_case_053_any_two_conditions_together_lose_and_repeat_nothing(tmp_path: Path, combination: Combination) -> None:
    Story(tmp_path, combination).run()


def test_the_chosen_combinations_are_few_and_hold_every_pair() -> None:
    for (first, some), (second, others) in itertools.combinations(enumerate(VALUES), 2):
        met = {(astuple(one)[first], astuple(one)[second]) for one in CHOSEN}
        assert met == set(itertools.product(some, others))
    assert 24 <= len(CHOSEN) <= 28
    assert len(set(product())) == 6 * 4 * 4 * 4 * 2
