"""When a changed configuration is asked for, what is refused, and what is said of it: without a daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.run.reload import LOOK_EVERY, Reload, differences
from tailrace.pipeline.settings import Config
from tailrace.pipeline.telemetry.counters import Counters

from ..configuration import Table, configuration, to_file
from .daemon_kit import imports_of
from .engine_kit import Log

configured = partial(configuration, "parse.json")
MARK = "VERSION = {}\ndef mark(event):\n    return event\n"


@pytest.fixture(autouse=True)
def _forget(tmp_path: Path) -> Iterator[None]:
    with imports_of(tmp_path):
        yield


class Watched:
    """A reload that watches; ``looks`` takes what it finds, as a daemon does."""

    def __init__(self, home: Path, text: str, own: str | None = None) -> None:
        self.home, self.path = home, home / "config.toml"
        self.path.write_text(text)
        if own is not None:
            (home / "own.py").write_text(own)
        self.log, self.counters = Log(), Counters()
        self.config = load(self.path)
        self.reload = Reload(lambda: load(self.path), self.log, self.counters, watch=True)
        self.now = 1000.0

    def look(self) -> str:
        """A second later: what comes of it."""
        self.now += LOOK_EVERY
        refused = len(self.log.fields("config.rejected"))
        coming = self.reload.look(self.now, self.config)
        if coming is not None:
            self.reload.accept(coming)
            self.config = coming
            return "reloaded"
        return "refused" if len(self.log.fields("config.rejected")) > refused else ""

    def looks(self, count: int = 3) -> list[str]:
        return [self.look() for _ in range(count)]

    def changes(self) -> object:
        return self.log.fields("config.reloaded")[-1]["changes"]


def replace(path: Path, text: str) -> None:
    """As editors do."""
    other = path.with_name(path.name + ".new")
    other.write_text(text)
    os.replace(other, path)


ONCE = ["reloaded", "", ""]
PLAIN, OWN = configured(to_file()), configured("own:mark", to_file())


def test_it_looks_once_a_second_and_changes_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path, PLAIN)
    assert watched.looks() == ["", "", ""]
    watched.path.write_text(PLAIN + "# more\n")
    watched.now -= LOOK_EVERY / 2
    assert watched.looks() == ["", "reloaded", ""]
    replace(watched.path, PLAIN)
    assert watched.looks() == ONCE
    assert watched.changes() == "none: stages, secrets and modules were read anew"


def test_what_changed_between_the_start_and_the_first_look_is_noticed(tmp_path: Path) -> None:
    watched = Watched(tmp_path, OWN, MARK.format(1))
    replace(tmp_path / "own.py", MARK.format(2))
    assert watched.looks() == ONCE
    watched = Watched(tmp_path, PLAIN)
    replace(watched.path, PLAIN + "# more\n")
    assert watched.looks() == ONCE


def test_a_module_that_the_new_configuration_brings_is_no_further_change(tmp_path: Path) -> None:
    watched = Watched(tmp_path, PLAIN)
    (tmp_path / "own.py").write_text(MARK.format(1))
    assert watched.looks() == ["", "", ""], "nobody asks for it"
    replace(watched.path, OWN)
    assert watched.looks() == ONCE
    assert watched.changes() == ["stage own:mark is new", "module own.py"]
    replace(tmp_path / "own.py", MARK.format(2))
    assert watched.looks() == ONCE
    assert watched.changes() == ["module own.py"]


def test_a_module_that_comes_after_the_configuration_that_asks_for_it(tmp_path: Path) -> None:
    watched = Watched(tmp_path, PLAIN)
    watched.look()
    replace(watched.path, OWN)
    assert watched.looks() == ["refused", "", ""]
    (tmp_path / "own.py").write_text("def mark(ev")  # half of it is written
    assert watched.looks() == ["refused", "", ""]
    (tmp_path / "own.py").write_text(MARK.format(1))
    assert watched.looks() == ONCE


def test_half_a_configuration_is_wrong_now_and_right_a_moment_later(tmp_path: Path) -> None:
    watched = Watched(tmp_path, PLAIN)
    watched.look()
    text = PLAIN + '[log]\nlevel = "debug"\n'
    watched.path.write_text(text[:-4])
    assert watched.looks() == ["refused", "", ""]
    watched.path.write_text(text)
    assert watched.looks() == ONCE
    assert watched.changes() == ["[log] level"]


@pytest.mark.parametrize("name", ["config.toml", "own.py"])
def test_a_file_that_vanishes_is_being_replaced(tmp_path: Path, name: str) -> None:
    watched = Watched(tmp_path, OWN, MARK.format(1))
    watched.look()
    text = (tmp_path / name).read_text()
    (tmp_path / name).unlink()
    assert watched.looks() == ["", "", ""]
    (tmp_path / name).write_text(text + "# more\n")
    assert watched.looks() == ONCE
    (tmp_path / name).unlink()
    watched.reload.ask()
    assert watched.looks() == ["refused", "", ""], "asked for, it is missing"
    (tmp_path / name).write_text(text)
    assert watched.looks() == ONCE


@pytest.mark.parametrize("when", [0.0, 4e9])
def test_a_clock_that_is_wrong_makes_no_difference(tmp_path: Path, when: float) -> None:
    watched = Watched(tmp_path, PLAIN)
    watched.look()
    replace(watched.path, PLAIN + "# more\n")
    os.utime(watched.path, (when, when))
    assert watched.looks() == ONCE


def test_a_link_that_is_switched(tmp_path: Path) -> None:
    """As Kubernetes does it with a ConfigMap: one link is replaced, and all files are others."""
    for version in (1, 2):
        directory = tmp_path / f"..{version}"
        directory.mkdir()
        (directory / "config.toml").write_text(OWN)
        (directory / "own.py").write_text(MARK.format(version))
    home = tmp_path / "conf"
    home.mkdir()
    (home / "..data").symlink_to("../..1")
    for name in ("config.toml", "own.py"):
        (home / name).symlink_to(f"..data/{name}")
    log = Log()
    config = load(home / "config.toml")
    reload = Reload(lambda: load(home / "config.toml"), log, Counters(), watch=True)
    assert reload.look(0.0, config) is None
    (tmp_path / "new").symlink_to("../..2")
    os.replace(tmp_path / "new", home / "..data")
    coming = reload.look(LOOK_EVERY, config)
    assert coming is not None
    reload.accept(coming)
    assert log.fields("config.reloaded")[0]["changes"] == ["module own.py"]
    assert reload.look(2 * LOOK_EVERY, coming) is None


def test_a_change_that_is_refused_later_is_not_tried_again_by_itself(tmp_path: Path) -> None:
    """Such as a ring that there is no memory for."""
    watched = Watched(tmp_path, PLAIN)
    watched.look()
    replace(watched.path, PLAIN + "# more\n")
    watched.now += LOOK_EVERY
    assert watched.reload.look(watched.now, watched.config) is not None
    watched.reload.reject(["no memory"])
    assert watched.looks() == ["", "", ""]
    replace(watched.path, PLAIN + "# less\n")
    assert watched.looks() == ONCE


def test_what_is_asked_for_by_a_signal_is_not_noticed_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path, PLAIN)
    watched.look()
    replace(watched.path, PLAIN + "# more\n")
    watched.reload.ask()
    watched.now -= LOOK_EVERY / 2  # between two looks
    assert watched.looks() == ONCE


# What cannot change.


def changed(home: Path, before: str, now: str) -> list[str]:
    """What is said against it."""
    watched = Watched(home, before)
    replace(watched.path, now)
    watched.reload.ask()
    watched.look()
    return [one["problem"] for one in watched.log.fields("config.rejected") if "problem" in one]


def stdin(encoding: str = "utf-8", chunk_bytes: str = "1MiB", commit_interval: str = "1s") -> str:
    source = {"use": "stdin", "encoding": encoding}
    text = configured(to_file(), source=source, chunk_bytes=chunk_bytes, commit_interval=commit_interval)
    return text.replace('paths = ["logs/*.log"]\n', "")


def test_case_073_another_state_is_refused_and_the_same_by_another_name_is_not(tmp_path: Path) -> None:
    (problem,) = changed(tmp_path, PLAIN, configured(to_file(), state_dir="elsewhere"))
    assert "[pipeline] state_dir" in problem
    assert "stop tailrace, move the directory" in problem
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    assert changed(tmp_path, PLAIN, configured(to_file(), state_dir="link")) == []


@pytest.mark.parametrize("keys", [{"chunk_bytes": "64KiB"}, {"encoding": "latin-1"}])
def test_a_source_that_no_other_can_follow_cannot_change(tmp_path: Path, keys: dict[str, str]) -> None:
    (problem,) = changed(tmp_path, stdin(), stdin(**keys))
    assert "cannot be read again" in problem
    assert "Stop tailrace" in problem


def test_all_else_of_such_a_configuration_may_change(tmp_path: Path) -> None:
    assert changed(tmp_path, stdin(), stdin(commit_interval="2s")) == []


def test_the_journal_may_be_asked_for_other_entries(tmp_path: Path) -> None:
    """Its cursor is remembered."""

    def text(unit: str) -> str:
        return stdin().replace('use = "stdin"', f'use = "journal"\nunits = ["{unit}"]')

    assert changed(tmp_path, text("a.service"), text("b.service")) == []


def test_case_073_everything_that_cannot_change_is_said_at_once(tmp_path: Path) -> None:
    problems = changed(tmp_path, stdin(), PLAIN.replace('"state"', '"elsewhere"'))
    assert len(problems) == 2


QUEUE = """
from dataclasses import dataclass
from typing import ClassVar
from tailrace.pipeline.settings import SourceSettings

@dataclass(slots=True, frozen=True)
class Queue(SourceSettings):
    resumes: ClassVar[bool] = False
    use: str = "own:Queue"
    topic: str = ""
"""


@pytest.mark.parametrize(("topic", "problems"), [("a", 0), ("b", 1)])
def test_a_source_of_the_users_own_that_no_other_can_follow(tmp_path: Path, topic: str, problems: int) -> None:
    """Its class is another one each time."""

    def text(topic: str) -> str:
        return stdin().replace('use = "stdin"', f'use = "own:Queue"\ntopic = "{topic}"')

    (tmp_path / "own.py").write_text(QUEUE)
    assert len(changed(tmp_path, text("a"), text(topic))) == problems


# What is said of it.


def test_differences_are_told_by_key_and_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD", "old-secret")
    monkeypatch.setenv("NEW", "new-secret")

    def text(name: str, *stages: str | Table, workers: int = 0) -> Config:
        secret = f"${{{name}}}"
        http: Table = {
            "use": "write.http", "id": "web", "endpoint": f"https://h/{secret}", "auth": {"token": secret},
        }  # fmt: skip
        path = tmp_path / f"{name}.toml"
        tables: dict[str, Table] = {"secrets": {"directory": name}}
        path.write_text(configuration("parse.json", *stages, to_file(), http, tables=tables, workers=workers))
        return load(path)

    before = text("OLD", {"use": "enrich.set", "values": {"a": 1}}, {"use": "enrich.filter", "drop": "a == 1"})
    now = text("NEW", {"use": "enrich.filter", "drop": "a == 2"}, {"use": "enrich.rename", "fields": {"a": "b"}},
               workers=1)  # fmt: skip
    told = list(differences(before, now))
    assert told == [
        "[pipeline] workers",
        "[secrets] directory",
        "stage enrich.set is gone",
        "stage enrich.filter: drop",
        "stage enrich.rename is new",
        "stage web: endpoint, auth",
    ]
    assert "secret" not in " ".join(told).replace("[secrets]", "")


def test_the_order_of_stages_is_a_difference(tmp_path: Path) -> None:
    stages: list[Table] = [{"use": "enrich.set", "values": {"a": 1}}, {"use": "enrich.remove", "fields": ["b"]}]
    texts = [configured(*some, to_file()) for some in (stages, stages[::-1])]
    assert changed(tmp_path, *texts) == []
    one, other = (load(_written(tmp_path / name, text)) for name, text in zip("ab", texts, strict=True))
    assert list(differences(one, other)) == ["the order of the stages"]
    assert list(differences(one, one)) == []


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
