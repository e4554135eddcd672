"""A changed configuration: when it is asked for, whether it is right, and what is different in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from time import time
from typing import Any

from tailrace.pipeline.chain.anew import Anew, own_files
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.telemetry.counters import Counters

LOOK_EVERY = 1.0  # seconds between two looks at the files, with ``watch``
COUNTER = "config_reloads"


class Reload:
    """``load`` reads and checks the file that the first configuration came from. ``watch``: a reload is asked for when
    that file, or a module of the user's beside it, has changed. What is asked for while one is under way comes next."""

    def __init__(
        self,
        load: Callable[[], Config],
        log: Any,
        counters: Counters,
        *,
        watch: bool = False,
        began: Callable[[], None] = lambda: None,
        ended: Callable[[Config | None], None] = lambda _: None,
    ) -> None:
        """``began`` is called when one is looked at, ``ended`` with the configuration that runs then; None: the one
        before."""
        self._load, self._log, self._counters, self._watch = load, log, counters, watch
        self._began, self._ended = began, ended
        self._asked = False
        self._anew: Anew | None = None
        self._looked = float("-inf")
        self._seen: dict[str, tuple[int, int, int]] | None = None
        self.last: tuple[float, bool] | None = None  # when the last one was, in seconds since the epoch; it was right

    def ask(self) -> None:
        """From any thread or signal handler."""
        self._asked = True

    def look(self, now: float, config: Config) -> Config | None:
        """The configuration that is to come, if one was asked for and can take the place of ``config``."""
        if self._watch and now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._asked = self._changed(config) or self._asked
        if not self._asked:
            return None
        self._asked = False
        self._began()
        self._anew = Anew(str(config.directory))
        try:
            coming = self._load()
            refuse(config, coming)
        except ConfigError as error:
            self.reject(error.problems)
            return None
        return coming

    def reject(self, problems: Sequence[str]) -> None:
        """What ran goes on, with the modules that it has."""
        assert self._anew is not None
        self._anew.take_back()
        for problem in problems:
            self._log.error("config.rejected", problem=problem)
        self._log.error(
            "config.rejected", problems=len(problems),
            notice="the configuration that runs goes on; put these right and ask again",
        )  # fmt: skip
        self._tell("failed")
        self._ended(None)

    def accept(self, before: Config, now: Config) -> None:
        changes = list(differences(before, now))
        self._log.info("config.reloaded", changes=changes or "none: stages, secrets and modules were read anew")
        for warning in now.warnings:
            self._log.warning("config.warning", notice=warning)
        self._tell("ok")
        self._ended(now)

    def _tell(self, result: str) -> None:
        self._counters.add(COUNTER, result=result)
        self.last = time(), result == "ok"

    def _changed(self, config: Config) -> bool:
        """Whether a file is another than at the last look. One that is not there now is being replaced."""
        before, self._seen = self._seen, {}
        for path in (str(config.path), *own_files(str(config.directory))):
            try:
                st = os.stat(path)
            except OSError:
                if before and path in before:
                    self._seen[path] = before[path]
                continue
            self._seen[path] = st.st_mtime_ns, st.st_size, st.st_ino
        return before is not None and any(before.get(path) != seen for path, seen in self._seen.items())


def refuse(before: Config, coming: Config) -> None:
    """ConfigError: what cannot change while it runs, with the way to do it."""
    was, now = (os.path.realpath(one.pipeline.state_dir) for one in (before, coming))
    if was != now:
        raise ConfigError(
            [
                f'{coming.path}: [pipeline] state_dir: found "{coming.pipeline.state_dir}", it runs with '
                f'"{before.pipeline.state_dir}": how far everything is, and what is written, belongs to that '
                "directory. To move it, stop tailrace, move the directory, and start it with the new configuration"
            ]
        )


def differences(before: Config, now: Config) -> Iterator[str]:
    """In words, by key. Values are not told: there may be secrets in them."""
    for table in ("pipeline", "source", "dead_letters", "log", "status"):
        one, other = getattr(before, table), getattr(now, table)
        names = [f.name for f in fields(other) if getattr(one, f.name, None) != getattr(other, f.name)]
        if type(one) is not type(other):
            yield f"[{table}] is another: use"
        elif names:
            yield f"[{table}] {', '.join(names)}"
    old, new = ({_key(spec): spec for spec in config.stages} for config in (before, now))
    yield from (f"stage {name} is gone" for name in old if name not in new)
    for name, spec in new.items():
        if name not in old:
            yield f"stage {name} is new"
        elif changed := list(_changed_keys(old[name], spec)):
            yield f"stage {name}: {', '.join(changed)}"
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "the order of the stages"


def _key(spec: StageSpec) -> str:
    return spec.id or spec.label


def _changed_keys(one: StageSpec, other: StageSpec) -> Iterator[str]:
    for name in ("use", "only", "when", "on_error", "field", "into", "overwrite"):
        if getattr(one, name) != getattr(other, name):
            yield name
    for key in dict.fromkeys((*one.options, *other.options)):
        if one.options.get(key) != other.options.get(key):
            yield key
