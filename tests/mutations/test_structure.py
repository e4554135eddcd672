"""A mutation finds its place by what is defined there and what the code says, not by file, line or format."""

from __future__ import annotations

from pathlib import Path

import pytest

from .structure import OutdatedError, changed, find

CODE = """
LIMIT = 3  # why

class Head:
    def fits(self, data):
        # a comment
        if (len(data) <
                LIMIT):
            self.note("short")
            return False
        return len(data) < LIMIT + 1

def fits(data):
    for one in data:
        print(one)
"""


def tree_of(tmp_path: Path, **modules: str) -> Path:
    for name, text in modules.items():
        path = tmp_path / "pipeline" / name / "part.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def test_a_definition_is_found_by_the_end_of_its_name(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, a=CODE, b="class Tail:\n    def fits(self): ...\n")
    assert find(tree, "Head.fits") == find(tree, "LIMIT") == find(tree, "a.part") == Path("pipeline/a/part.py")
    assert find(tree, "Tail.fits") == Path("pipeline/b/part.py")
    for name in ("fits", "its", "Head.other"):
        with pytest.raises(OutdatedError, match="exactly once"):
            find(tree, name)


@pytest.mark.parametrize(
    ("where", "old", "new", "expected"),
    [
        ("LIMIT", "3", "4", "LIMIT = 4"),
        ("Head.fits", "len(data) < LIMIT", "False", "if False:"),
        (
            "Head.fits",
            "self.note('short')\nreturn False",
            "return True",
            "LIMIT:\n            return True\n        return",
        ),
        ("part.fits", "print(one)", "pass", "for one in data:\n        pass"),
        ("part", "LIMIT = 3", "", "pass\n\nclass Head"),
    ],
)
def test_code_is_replaced_however_it_is_formatted(where: str, old: str, new: str, expected: str) -> None:
    assert expected in changed(CODE, Path("pipeline/part.py"), where, old, new)


@pytest.mark.parametrize(("where", "old"), [("Head.fits", "data"), ("part.fits", "two"), ("part.fits", "return")])
def test_code_that_does_not_stand_there_exactly_once_is_refused(where: str, old: str) -> None:
    with pytest.raises(OutdatedError, match="exactly once"):
        changed(CODE, Path("pipeline/part.py"), where, old, "pass")
