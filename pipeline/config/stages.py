"""The ``[[stages]]`` tables: what each names and holds, and whether they make a chain in this order."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tailrace.pipeline.chain.explain import describe, missing_module, origin_of
from tailrace.pipeline.chain.loader import Role, resolve, role_of
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.paths import absolute_template, check_path, near_placeholder
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.stage_keys import Options, load_options
from tailrace.pipeline.config.tables import Check, choice, text
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import StageSpec


@dataclass(slots=True)
class Entry:
    """One table, as far as it could be understood."""

    index: int
    use: str
    role: Role
    stage: type | Callable[..., Any]
    spec: StageSpec | None = None  # None: the report says why
    template: str = ""  # of a write stage: its `path` as the file has it

    @property
    def name(self) -> str:
        return f"[[stages]] #{self.index + 1} {self.use}"

    @property
    def path(self) -> KeyPath:
        return ("stages", self.index)


COMMON: dict[Role, tuple[str, ...]] = {
    "parse": ("use", "only", "on_error"),
    "enrich": ("use", "only", "when", "on_error"),
    "write": ("use", "only", "when", "on_error", "id"),
}
"""Keys that stand beside a stage's own; the engine reads them."""


def load_chain(tables: Any, directory: str, report: Report) -> list[Entry]:
    """All stages that could be understood, in the file's order; everything wrong with any of them is reported."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        report.add(("stages",), "write [[stages]] with double brackets, once for each stage")
        return []
    labels: Counter[str] = Counter()
    report.note_uses(tables)
    entries = []
    for index, table in enumerate(tables):
        entry = _identify(index, table, directory, report)
        if entry:
            labels[entry.use] += 1
            _load(entry, table, labels[entry.use], directory, report)
            entries.append(entry)
    _check_order(entries, report)
    _check_sinks(entries, report)
    return entries


def _identify(index: int, table: dict[str, Any], directory: str, report: Report) -> Entry | None:
    path: KeyPath = ("stages", index)
    if "use" not in table:
        near = difflib.get_close_matches("use", table, n=1)
        hint = f"; did you mean it by {show(near[0])}?" if near else ""
        report.add(path, f'missing key "use": the stage\'s name, for example "parse.json"{hint}')
        return None
    try:
        use = text(table["use"])
    except ValueError as wrong:
        report.add((*path, "use"), f"found {show(table['use'])}, {wrong}")
        return None
    try:
        stage = resolve(use, directory)
        return Entry(index, use, role_of(stage), stage)
    except ConfigError as error:
        for problem in error.problems:
            report.add((*path, "use"), problem)
        return None


def _load(entry: Entry, table: dict[str, Any], repeat: int, directory: str, report: Report) -> None:
    before = report.count
    common = {key: _common(check, entry, key, table[key], report) for key, check in _COMMON.items() if key in table}
    if "when" in table and entry.role == "parse":
        report.add((*entry.path, "when"), "a parse stage takes no `when`: there is no event yet; use `only`")
    if "id" in table and entry.role != "write":
        report.add((*entry.path, "id"), "only write stages have an id")
    options = load_options(entry.stage, table, entry.path, COMMON[entry.role], report)
    if options is None:
        return
    if entry.role == "write" and isinstance(options.values.get("path"), str):
        entry.template = options.values["path"]
        try:
            check_path(entry.template)
            options.values["path"] = absolute_template(entry.template, directory)
        except ValueError as wrong:
            report.add((*entry.path, "path"), f"found {show(table['path'])}, {wrong}")
            return
        if near := near_placeholder(entry.template):
            report.warn((*entry.path, "path"), near)
    _build(entry, options, report)
    if report.count == before and not report.is_broken(entry.path):
        label = entry.use if repeat == 1 else f"{entry.use}#{repeat}"
        if entry.role == "write":
            common.setdefault("id", f"{entry.use}:{entry.template}" if entry.template else entry.use)
        entry.spec = StageSpec(entry.use, label, entry.role, options.values, **common)


def _common(check: Check, entry: Entry, key: str, value: Any, report: Report) -> Any:
    try:
        return check(value)
    except ValueError as wrong:
        report.add((*entry.path, key), f"found {show(value)}, {wrong}")
        return None


def _only(value: Any) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(one, str) and one for one in patterns):
        raise ValueError('expected a pattern or a list of patterns for the names of files, for example "access*.log"')
    if not patterns:
        raise ValueError("which fits no file; leave `only` out to take every file")
    if any("/" in one for one in patterns):
        raise ValueError("expected a pattern for the file's name alone, without directories")
    return tuple(map(str, patterns))


def _when(value: Any) -> str:
    from tailrace.stages.expressions.expression import compile_expression

    condition = text(value)
    compile_expression(condition)
    return value if isinstance(value, str) else condition  # as it came: `check` shows its references


_COMMON: dict[str, Check] = {
    "only": _only,
    "when": _when,
    "on_error": choice("dead_letter", "keep", "drop"),
    "id": text,
}


def _build(entry: Entry, options: Options, report: Report) -> None:
    """Build the stage as a worker will, for the checks of its own. Where something was left out of the options, only
    what a check says of the other keys is told: the rest may follow from that."""
    if not isinstance(entry.stage, type):
        return
    try:
        entry.stage(**options.values)
    except ModuleNotFoundError as error:
        report.add(entry.path, missing_module(error))
    except (ValueError, AssertionError) as error:
        for problem in _NEXT_PROBLEM.split(str(error) or describe(error)):
            keys, message = _named_key(problem, options.values)
            if keys or options.whole:
                report.add((*entry.path, *keys), message)
    except (Exception, SystemExit) as error:
        if options.whole:
            report.add(entry.path, f"building it failed: {describe(error)}{origin_of(error)}")


_NEXT_PROBLEM = re.compile(r"\n(?!\s|$)")  # a stage tells several, one a line; further lines of one are indented


def _named_key(problem: str, options: dict[str, Any]) -> tuple[KeyPath, str]:
    """The key a stage's message is about, if its first words name one (the line is that key's then), and the message
    without a ``key: `` in front."""
    for word in problem.split(maxsplit=3)[:3]:
        if keys := _key_path(word.strip("`'\":,"), options):
            return keys, problem.removeprefix(f"{word} ") if word.endswith(":") else problem
    return (), problem


def _key_path(word: str, table: dict[str, Any]) -> KeyPath:
    """``expr.a`` and ``patterns[1]`` as paths; empty: no such key."""
    for key, value in table.items():
        if word == key:
            return (key,)
        if isinstance(value, dict) and word.startswith(f"{key}."):
            return (key, *_key_path(word.removeprefix(f"{key}."), value))
        if isinstance(value, list) and (element := re.fullmatch(rf"{re.escape(key)}\[(\d{{1,9}})\]", word)):
            return (key, int(element[1])) if int(element[1]) < len(value) else (key,)
    return ()


def _check_order(entries: list[Entry], report: Report) -> None:
    first: Entry | None = None  # the first stage that is no parse stage
    takes_all: Entry | None = None  # the first parse stage that takes every file
    for entry in entries:
        if entry.role == "parse":
            if first:
                why = "parse stages stand first, and each file uses the first one whose `only` fits"
                report.add(entry.path, f"comes after {first.use}; {why}")
            elif takes_all:
                report.warn(entry.path, f"is never used: {takes_all.use} above it has no `only` and takes every file")
            elif entry.spec and not entry.spec.only:
                takes_all = entry
            continue
        if entry.role == "enrich" and callable(getattr(entry.stage, "locate", None)):
            if first:
                why = "it needs the place of each line, so it stands directly after the parse stages"
                report.add(entry.path, f"comes after {first.use}; {why}")
            if entry.spec and entry.spec.when:
                report.add((*entry.path, "when"), "this stage needs the place of every line, so it takes no `when`")
        first = first or entry


def _check_sinks(entries: list[Entry], report: Report) -> None:
    ids: dict[str, Entry] = {}
    files: dict[str, Entry] = {}
    for entry in entries:
        if entry.role != "write" or not entry.spec:
            continue
        identity, path = entry.spec.id, entry.spec.options["path"] if entry.template else ""
        if path and path in files:
            why = f"{files[path].name} writes this file too, and two sinks must not share one"
            report.add((*entry.path, "path"), f"found {show(entry.template)}; {why}")
        elif identity in ids:
            why = f"give one of them an id of its own: id = {show(identity + '-2')}"
            report.add(entry.path, f"its id {show(identity)} is also that of {ids[identity].name}; {why}")
        files.setdefault(path, entry)
        ids.setdefault(identity, entry)
