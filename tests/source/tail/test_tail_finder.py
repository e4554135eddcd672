"""Globs: what they match, and what a scan says about directories it could not look at."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.source.tail.finder import Finder

NAMES = ["a", "b.log", "ab.log", ".hidden", "[x]", "c-1", "é.log"]
PARTS = ["**", "*", "?", "*.log", "a", "[ab]*", "[!a]*", ".*", "[[]x]", "?.log", "b.log", "[]x]*"]


def find(directory: Path, *patterns: str, exclude: tuple[str, ...] = ()) -> set[str]:
    scan = Finder([str(directory / pattern) for pattern in patterns], exclude).scan()
    assert scan.whole
    return {os.fsdecode(os.path.relpath(path, os.fsencode(directory))) for path in scan.found}


def make(directory: Path, *files: str) -> None:
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)


@settings(max_examples=150)
@given(
    files=st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(tuple), max_size=8),
    pattern=st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join),
)
def test_globs_find_what_the_standard_library_finds(files: list[tuple[str, ...]], pattern: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for parts in files:
            path = directory.joinpath(*parts)
            if not any(parent.is_file() for parent in path.parents) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
        expected = glob.glob(str(directory / pattern), recursive=True)
        expected = [path for path in expected if not path.endswith("/")]  # ("a/**" gives it "a/", for a file)
        finder = Finder([str(directory / pattern)])
        found = set(finder.scan().found)
        assert found == {os.fsencode(os.path.abspath(path)) for path in expected if os.path.isfile(path)}
        everything = {os.fsencode(os.path.join(top, file)) for top, _, names in os.walk(name) for file in names}
        assert {path for path in everything if finder.matches(path)} == found


def test_case_001_overlapping_patterns_and_one_path_twice_find_each_file_once(tmp_path: Path) -> None:
    make(tmp_path, "x/a.log", "x/y/b.log", "x/y/[c].log", "x/d.txt")
    (tmp_path / "x/e.log").mkdir()
    assert find(tmp_path, "**/*.log", "x/*.log", "x/a.log", "x/a.log") == {"x/a.log", "x/y/b.log", "x/y/[c].log"}
    assert find(tmp_path, "x/y/[[]c].log") == {"x/y/[c].log"}


def test_case_001_excluded_files_and_directories_are_never_found(tmp_path: Path) -> None:
    make(tmp_path, "x/a.log", "x/a.gz", "x/y/b.log", "x/y/z/c.log", "x/.git/d.log", "e.log")
    whole = str(tmp_path)
    assert find(tmp_path, "**/*", exclude=("*.gz", "y")) == {"x/a.log", "e.log"}
    assert find(tmp_path, "**/*", exclude=(f"{whole}/x/*.gz", f"{whole}/x/y/**")) == {"x/a.log", "e.log"}
    assert find(tmp_path, "**/*", exclude=(f"{whole}/x/y/z",)) == {"x/a.log", "x/a.gz", "x/y/b.log", "e.log"}
    assert find(tmp_path, "x/a.log", exclude=(f"{whole}/**/a.log",)) == set()


def test_hidden_names_are_found_only_when_the_pattern_says_so(tmp_path: Path) -> None:
    make(tmp_path, ".a.log", "b.log", ".git/c.log")
    assert find(tmp_path, "*.log", "**/*.log") == {"b.log"}
    assert find(tmp_path, ".*.log", ".git/*.log") == {".a.log", ".git/c.log"}


def test_case_024_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    make(tmp_path, "real/a.log", "elsewhere/b.log")
    (tmp_path / "real/loop").symlink_to(tmp_path / "real")
    (tmp_path / "real/up").symlink_to(tmp_path)
    (tmp_path / "real/self").symlink_to("self")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "logs/aaa.log").symlink_to(tmp_path / "real/a.log")
    (tmp_path / "logs/dangling.log").symlink_to("nowhere")
    assert find(tmp_path, "real/**/*.log") == {"real/a.log", "real/up/elsewhere/b.log", "real/up/logs/aaa.log"}
    assert find(tmp_path, "logs/**/*.log") == {"logs/aaa.log", "logs/link/b.log"}
    assert find(tmp_path, "*/link/*.log") == {"logs/link/b.log"}


def test_a_question_mark_is_one_character_of_utf8(tmp_path: Path) -> None:
    make(tmp_path, "é.log", "ab.log")
    assert find(tmp_path, "?.log") == {"é.log"}


def test_a_directory_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    scan = Finder([str(tmp_path / "none/*.log"), str(tmp_path / "none.log"), str(tmp_path / "no/**/*.log")]).scan()
    assert (scan.found, scan.failed, scan.whole) == ({}, {}, True)


def test_case_004_a_listing_that_fails_is_told_from_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "x/a.log", "y/b.log")
    finder = Finder([str(tmp_path / "*/*.log")])
    assert finder.scan().whole
    real = os.scandir

    for code in (errno.EMFILE, errno.EIO, errno.ESTALE):

        def fail(directory: bytes, code: int = code) -> os._ScandirIterator[bytes]:
            if directory.endswith(b"/x"):
                raise OSError(code, os.strerror(code))
            return real(directory)

        monkeypatch.setattr(os, "scandir", fail)
        scan = finder.scan()
        assert not scan.whole
        assert list(scan.failed.values()) == [os.strerror(code)]
        assert not scan.covers(os.fsencode(tmp_path / "x/a.log"))
        assert scan.covers(os.fsencode(tmp_path / "y/b.log"))
        assert set(scan.found) == {os.fsencode(tmp_path / "y/b.log")}


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory, and no special rights in it."""
    directory = Path(tempfile.mkdtemp())  # (pytest's own directories are closed to others)
    user = os.geteuid()
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        os.seteuid(user)
        for top, names, _ in os.walk(directory):
            for name in names:
                Path(top, name).chmod(0o755)
        shutil.rmtree(directory)


def become_nobody() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_case_039_a_closed_directory_is_named_with_the_permission_it_lacks(nobody: Path) -> None:
    make(nobody, "x/y/a.log", "b.log")
    for mode, lacks in ((0o644, "search (+x)"), (0o311, "read (+r)")):
        (nobody / "x").chmod(mode)
        become_nobody()
        scan = Finder([str(nobody / "x/*/a.log"), str(nobody / "*.log")]).scan()
        os.seteuid(os.getuid())
        assert list(scan.failed) == [os.fsencode(nobody / "x")]
        assert lacks in scan.failed[os.fsencode(nobody / "x")]
        assert set(scan.found) == {os.fsencode(nobody / "b.log")}
        assert scan.whole  # it could never be listed, so nothing of ours can have been there


def test_case_039_a_file_below_a_directory_without_x_names_that_directory(nobody: Path) -> None:
    make(nobody, "x/y/a.log")
    (nobody / "x").chmod(0o600)
    become_nobody()
    scan = Finder([str(nobody / "x/y/a.log")]).scan()
    assert list(scan.failed) == [os.fsencode(nobody / "x")]


def test_the_directories_to_watch_are_the_literal_ones() -> None:
    finder = Finder(["/var/log/*.log", "/var/log/app/**/x.log", "/srv/*/y.log", "/srv/z.log", "/opt/**"])
    assert finder.bases() == [(b"/var/log", False), (b"/var/log/app", True), (b"/srv", True), (b"/opt", True)]
