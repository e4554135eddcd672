"""docs/reliability.md tells the truth about the tests: those it names exist, and none of a case is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .reliability import CASES, DOCUMENT, proofs, refreshed, rows

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_every_case_of_the_catalogue_has_one_row() -> None:
    assert [row.case for row in rows(TEXT)] == list(CASES)


@pytest.mark.parametrize("case", CASES)
def test_the_table_names_exactly_the_tests_that_prove_a_case(case: int) -> None:
    (row,) = (row for row in rows(TEXT) if row.case == case)
    assert row.tests == proofs().get(case, ()), "run: python -m tests.reliability"


def test_no_test_carries_the_number_of_a_case_that_does_not_exist() -> None:
    assert set(proofs()) <= set(CASES)


def test_the_outcome_agrees_with_the_tests() -> None:
    for row in rows(TEXT):
        word = row.outcome.partition(":")[0]
        assert word in ("proven", "partly", "not yet"), row.outcome
        assert (word == "not yet") == (not row.tests), f"case {row.case}: {row.outcome}"
        assert word == "proven" or ":" in row.outcome, f"case {row.case}: what is missing?"


def test_refreshing_puts_right_what_is_wrong() -> None:
    (row,) = (row for row in rows(TEXT) if row.case == 52)
    wrong = TEXT.replace(row.text(), replace(row, tests=("test_case_052_that_was_renamed",)).text())
    assert wrong != TEXT
    assert refreshed(wrong) == refreshed(TEXT)
