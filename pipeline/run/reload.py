"""A changed configuration: when it is asked for, whether it is right, and what is different in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from time import time
from typing import Any

from tailrace.pipeline.chain.own import Anew
from tailrace.pipeline.errors import ConfigError, TailraceError
from tailrace.pipeline.run.supply import keeps_source
from tailrace.pipeline.run.watch import Watch, look
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.sinks.crew import describe
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
        self._load, self._log, self._counters = load, log, counters
        self._began, self._ended = began, ended
        self._watch = Watch() if watch else None
        self._asked = False
        self._anew: Anew | None = None  # while one is under way
        self._before: Config
        self._seen: tuple[int, int, int] | None = None  # the file, before it was read
        self._looked: float | None = None
        self.last: tuple[float, bool] | None = None  # when the last one was, in seconds since the epoch; it was right

    def ask(self) -> None:
        """From any thread or signal handler."""
        self._asked = True

    def look(self, now: float, config: Config) -> Config | None:
        """The configuration that is to come, if one was asked for and can take the place of ``config``."""
        self._look_at_files(now, config)
        if not self._asked:
            return None
        self._asked = False
        self._began()
        self._before, self._anew = config, Anew(str(config.directory))
        self._seen = look(str(config.path))
        try:
            coming = self._load()
            refuse(config, coming)
        except Exception as error:  # also of a user's module
            self.reject(problems_of(error))
            return None
        return coming

    def _look_at_files(self, now: float, config: Config) -> None:
        if self._watch is None or (self._looked is not None and now - self._looked < LOOK_EVERY):
            return
        if self._looked is None:
            self._watch.accepted(config)
        self._looked = now
        self._asked = self._watch.changed() or self._asked

    def reject(self, problems: Sequence[str]) -> None:
        """What ran goes on, with the modules that it has."""
        assert self._anew is not None
        tried = self._anew.take_back()
        self._anew = None
        if self._watch is not None:
            self._watch.refused(self._before, self._seen, tried)
        for problem in problems:
            self._log.error("config.rejected", problem=problem)
        self._log.error(
            "config.rejected", problems=len(problems),
            notice="the configuration that runs goes on; put these right and ask again",
        )  # fmt: skip
        self._tell("failed")
        self._ended(None)

    def accept(self, now: Config) -> None:
        """It runs."""
        assert self._anew is not None
        changes = [*differences(self._before, now), *(f"module {file}" for file in self._anew.changed())]
        self._anew = None
        if self._watch is not None:
            self._watch.accepted(now)
        self._log.info("config.reloaded", changes=changes or "none: stages, secrets and modules were read anew")
        for warning in now.warnings:
            self._log.warning("config.warning", notice=warning)
        self._tell("ok")
        self._ended(now)

    def _tell(self, result: str) -> None:
        self._counters.add(COUNTER, result=result)
        self.last = time(), result == "ok"


def problems_of(error: Exception) -> list[str]:
    """In words."""
    problems: list[str] = getattr(error, "problems", [])
    return problems or [str(error) if isinstance(error, TailraceError) else describe(error)]


def refuse(before: Config, coming: Config) -> None:
    """ConfigError: what cannot change while it runs, with the way to do it."""
    problems = []
    was, now = (os.path.realpath(one.pipeline.state_dir) for one in (before, coming))
    if was != now:
        problems.append(
            f'{coming.path}: [pipeline] state_dir: found "{coming.pipeline.state_dir}", it runs with '
            f'"{before.pipeline.state_dir}": how far everything is, and what is written, belongs to that '
            "directory. To move it, stop tailrace, move the directory, and start it with the new configuration"
        )
    if not before.source.resumes and not keeps_source(before, coming):
        problems.append(
            f'{coming.path}: [source]: what was read with use = "{before.source.use}" cannot be read again, so this '
            "table, and chunk_bytes of [pipeline], cannot change while it runs. Stop tailrace, and start it with the "
            "new configuration"
        )
    if problems:
        raise ConfigError(problems)


def differences(before: Config, now: Config) -> Iterator[str]:
    """In words, by key. Values are not told: there may be secrets in them."""
    for table in ("pipeline", "source", "dead_letters", "log", "status", "secrets"):
        one, other = getattr(before, table), getattr(now, table)
        names = [f.name for f in fields(other) if getattr(one, f.name, None) != getattr(other, f.name)]
        if getattr(one, "use", "") != getattr(other, "use", ""):
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
