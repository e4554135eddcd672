"""The table of docs/reliability.md: which test proves which case. ``python -m tests.reliability`` brings it up to date.

The tests of case 7 are those named ``test_case_007_...`` or ``test_case_006_007_...``. The other columns are
written by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "reliability.md"
CASES = range(1, 102)
_DEFINITION = re.compile(r"^ *def (test_case_(\d{3})(?:_(?:and_)?(\d{3}))?_\w+)\(", re.MULTILINE)
_ROW = re.compile(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)


@dataclass(slots=True, frozen=True)
class Row:
    """One line of the table."""

    case: int
    must_hold: str
    tests: tuple[str, ...]  # full names
    outcome: str

    def text(self) -> str:
        prefix = f"test_case_{self.case:03}_"
        tests = "<br>".join(f"`{name.removeprefix(prefix)}`" for name in self.tests)
        return f"| {self.case} | {self.must_hold} | {tests} | {self.outcome} |"


def proofs() -> dict[int, tuple[str, ...]]:
    """Names of the tests that carry a case's number, sorted, by that number."""
    found: dict[int, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name, *cases in _DEFINITION.findall(path.read_text(encoding="utf-8")):
            for case in filter(None, cases):
                found.setdefault(int(case), set()).add(name)
    return {case: tuple(sorted(names)) for case, names in found.items()}


def rows(text: str) -> list[Row]:
    """The rows of the document, as they stand there."""
    return [_row(match) for match in _ROW.finditer(text)]


def refreshed(text: str) -> str:
    """The document with the tests that exist now."""
    exist = proofs()

    def put_right(match: re.Match[str]) -> str:
        row = _row(match)
        return replace(row, tests=exist.get(row.case, ())).text()

    return _ROW.sub(put_right, text)


def _row(match: re.Match[str]) -> Row:
    case, must_hold, tests, outcome = match.groups()
    prefix = f"test_case_{int(case):03}_"
    names = (name if name.startswith("test_case_") else prefix + name for name in re.findall(r"`(\w+)`", tests))
    return Row(int(case), must_hold.strip(), tuple(names), outcome.strip())


if __name__ == "__main__":
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
