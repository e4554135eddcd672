"""The state file by itself: killed anywhere in its creation, its log torn or zeroed at random; and it does sync."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline import disk
from tailrace.pipeline.state.file import FILE_NAME
from tailrace.pipeline.state.store import Commit, State

from .power import Unsynced


class CrashError(Exception):
    """The process is gone from here on."""


def opened(directory: Path) -> State:
    state = State(str(directory), max_bytes=1 << 20, when_full="block", config="digest")
    state.open()
    return state


def cursor(offset: int) -> dict[str, Any]:
    return {"path": "/a.log", "offset": offset}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[str, str], None]], None]]:
    yield lambda before: monkeypatch.setattr(disk, "before", before)


def test_case_050_a_creation_killed_at_any_operation_is_made_good_at_the_next_start(
    tmp_path: Path, hook: Callable[[Callable[[str, str], None]], None]
) -> None:
    done: list[str] = []
    for at in count(1):
        done.clear()

        def before(operation: str, _path: str, at: int = at) -> None:
            done.append(operation)
            if len(done) == at:
                raise CrashError

        hook(before)
        directory = tmp_path / str(at) / "var" / "state"
        state = None
        try:
            state = opened(directory)
            state.close()
            break
        except CrashError:
            hook(lambda _operation, _path: None)
            if state is not None:  # killed in close(): the system lets go of what it held
                state.close()
        state = opened(directory)
        (stream,) = state.register([cursor(0)])
        state.close()
        again = opened(directory)
        assert again.cursors() == {stream: cursor(0)}, f"killed at {done}"
        assert again.id == state.id
        again.close()
        assert sorted(path.name for path in directory.iterdir()) == ["lock", FILE_NAME]
    assert at > 12
    assert {"mkdir", "create", "write", "commit", "close", "sync", "rename"} <= set(done)
    assert done.index("commit") < done.index("rename") < done.index("sync", done.index("rename")), "names last"


def test_case_051_a_name_lost_in_a_power_cut_is_no_half_made_state(
    tmp_path: Path, hook: Callable[[Callable[[str, str], None]], None]
) -> None:
    """The new file is durable before its name is; and the name before anything is committed under it."""
    order: list[tuple[str, str]] = []
    hook(lambda operation, path: order.append((operation, Path(path).name)))
    state = opened(tmp_path / "state")
    begun = len(order)
    state.register([cursor(0)])
    state.close()
    assert order.index(("sync", FILE_NAME + ".new")) < order.index(("rename", FILE_NAME))
    synced = {name for operation, name in order[order.index(("rename", FILE_NAME)) : begun] if operation == "sync"}
    assert {"state", tmp_path.name, ""} <= synced
    del order[:]
    opened(tmp_path / "state").close()
    assert ("sync", "state") in order, "who made it may have been killed before it could sync it"


def test_case_051_a_torn_or_zeroed_log_is_the_commit_before_or_the_whole_one(tmp_path: Path) -> None:
    chance = random.Random(4)  # noqa: S311  (no secret)
    state = opened(tmp_path / "state")
    (stream,) = state.register([cursor(0)])
    path, log = state.path, Path(f"{state.path}-wal")
    old = log.read_bytes()
    state.commit(Commit({stream: cursor(77)}, {}, [], {}))
    new, content = log.read_bytes(), path.read_bytes()
    state.close()
    assert len(new) > len(old) > 0
    seen = set()
    cuts = [len(old), len(new), len(new) - 1, *(chance.randint(len(old), len(new)) for _ in range(60))]
    for cut in cuts:
        for tail in (b"", bytes(len(new) - cut)):
            directory = tmp_path / "torn"
            directory.mkdir()
            (directory / FILE_NAME).write_bytes(content)
            (directory / (FILE_NAME + "-wal")).write_bytes(new[:cut] + tail)
            torn = opened(directory)
            offset = torn.cursors()[stream]["offset"]
            assert offset == 77 or (offset == 0 and cut < len(new))
            seen.add(offset)
            torn.commit(Commit({stream: cursor(99)}, {}, [], {}))
            torn.close()
            again = opened(directory)
            assert again.cursors() == {stream: cursor(99)}, "what follows a torn log is kept"
            again.close()
            shutil.rmtree(directory)
    assert seen == {0, 77}


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """FULL: under WAL, NORMAL would lose the last commits in a power cut, and with them marks that readers saw."""
    state = opened(tmp_path / "state")
    assert state._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert state._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    state.close()


def test_a_state_whose_name_was_lost_is_begun_anew_with_its_directory(tmp_path: Path) -> None:
    """A power cut ahead of the first sync of names: nothing was committed yet, so nothing is missing."""
    for seed in range(10):
        home = tmp_path / str(seed)
        home.mkdir()
        unsynced = Unsynced.load(home)
        for name in ("mkdir", "create", "rename"):
            where = {"mkdir": "state", "create": f"state/{FILE_NAME}.new", "rename": f"state/{FILE_NAME}"}[name]
            unsynced.note(name, str(home / where))
        opened(home / "state").close()
        unsynced.contents.clear()
        unsynced.lose(random.Random(seed))  # noqa: S311  (no secret)
        opened(home / "state").close()
