"""The ``[[stages]]`` tables: what each names and holds, and whether they make a chain in this order."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tailrace.pipeline.chain.loader import Role, resolve, role_of
from tailrace.pipeline.config.building import check_built
from tailrace.pipeline.config.declared import text
from tailrace.pipeline.config.environment import as_written
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.paths import absolute_template, check_path, near_placeholder
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.stage_keys import RESERVED, read_common, read_own
from tailrace.pipeline.construct import construct
from tailrace.pipeline.delivery import TABLES
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.stage import needs_places, remembers, sums


@dataclass(slots=True)
class Entry:
    """One table, as far as it could be understood."""

    index: int
    use: str
    role: Role
    stage: type | Callable[..., Any]
    spec: StageSpec | None = None  # None: the report says why
    named: bool = False  # by a `name` of its own
    template: str = ""  # of a write stage: its `path` as the file has it
    shared_by: str = ""  # of a write stage: several may have one `path` if this key differs

    @property
    def part(self) -> str:
        """Of its file: a table of a database, in which upper and lower case are one."""
        if not self.spec or not self.shared_by:
            return ""
        return str(self.spec.options.get(self.shared_by, getattr(self.stage, self.shared_by, ""))).casefold()

    @property
    def name(self) -> str:
        return f"[[stages]] #{self.index + 1} {self.use}"

    @property
    def path(self) -> KeyPath:
        return ("stages", self.index)


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
    _check_names(entries, report)
    _check_memories(entries, report)
    _check_sums(entries, report)
    _check_order(entries, report)
    _check_sinks(entries, report)
    return entries


def _identify(index: int, table: dict[str, Any], directory: str, report: Report) -> Entry | None:
    path: KeyPath = ("stages", index)
    if "use" not in table:
        near = difflib.get_close_matches("use", table, n=1)
        hint = f'; found {show(near[0])}, did you mean "use"?' if near else ""
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
    common = read_common(table, entry.role, entry.path, report)
    own = read_own(entry.stage, table, entry.role, entry.path, report)
    if entry.role == "parse" and "field" in table:
        entry.role = "enrich"  # it is given events, wherever it stands
    if own is None:
        return
    if entry.role == "write" and isinstance(own.values.get("path"), str):
        entry.template = str(table["path"])
        try:
            check_path(entry.template)
            own.values["path"] = absolute_template(own.values["path"], directory)
        except ValueError as wrong:
            report.broken((*entry.path, "path"), f"found {show(table['path'])}, {wrong}")
        if near := near_placeholder(entry.template):
            report.warn((*entry.path, "path"), near)
    if entry.role == "write":
        entry.shared_by = getattr(entry.stage, "shared_by", "")
        _check_concurrency(entry, own.values.get("request"), report)
    if isinstance(entry.stage, type):
        check_built(entry.stage, own.values, entry.path, report, whole=own.whole)
    if entry.role == "write" and isinstance(entry.stage, type) and report.count == before:
        _check_delivery(construct(entry.stage, own.values), entry, report)
    if "field" in common and isinstance(entry.stage, type) and report.count == before:
        _check_field(construct(entry.stage, own.values), entry, report)
    if report.count == before and not report.is_broken(entry.path):
        entry.named = "name" in common
        label = common.pop("name", entry.use if repeat == 1 else f"{entry.use}#{repeat}")
        if entry.role == "write":
            own_part = [str(table[entry.shared_by])] if entry.shared_by in table else []
            common.setdefault("id", ":".join([entry.use, *filter(None, [entry.template]), *own_part]))
            common["written"] = {key: as_written(value) for key, value in table.items() if key not in RESERVED["write"]}
        entry.spec = StageSpec(entry.use, label, entry.role, own.values, **common)


def _check_field(stage: Any, entry: Entry, report: Report) -> None:
    if getattr(stage, "by_place", False):
        why = "this stage goes by the places of lines in a file, so it takes no `field`"
        report.add((*entry.path, "field"), why)


def _check_concurrency(entry: Entry, request: Any, report: Report) -> None:
    """Of two requests at the same time either may arrive first."""
    count = request.get("concurrency", 1) if isinstance(request, dict) else 1
    if count > 1 and getattr(entry.stage, "ordered", True):
        why = "expected 1: this sink keeps the order of events (a class says `ordered: ClassVar[bool] = False` if not)"
        report.add((*entry.path, "request", "concurrency"), f"found {count}, {why}")


def _check_delivery(sink: Any, entry: Entry, report: Report) -> None:
    for key, cls in TABLES.items():
        value = getattr(sink, key, None)
        if value is not None and not isinstance(value, cls):
            report.add(
                entry.path,
                f"its field {show(key)} is of the type {type(value).__name__}, but the engine goes by a field of "
                f"that name of a sink: expected a {cls.__module__}.{cls.__name__}; give yours another name",
            )


def _check_names(entries: list[Entry], report: Report) -> None:
    """Counters and dead letters are kept by a stage's name, so no two may share one."""
    labels: dict[str, Entry] = {}
    for entry in entries:
        if not entry.spec:
            continue
        label = entry.spec.label
        if label in labels:
            named, other = (entry, labels[label]) if entry.named else (labels[label], entry)
            key = (*named.path, "name")
            report.add(key, f"found {show(label)}, which is also the name of {other.name}; give each stage its own")
        labels.setdefault(label, entry)


def _check_memories(entries: list[Entry], report: Report) -> None:
    """What a stage remembers is kept under its name, and `#2` is the name of whichever comes second."""
    first: dict[str, Entry] = {}
    uses = Counter(entry.use for entry in entries)
    for entry in entries:
        if entry.named or uses[entry.use] == 1 or not _remembers(entry):
            continue
        if entry.use in first:
            why = 'each keeps what it remembers under its name; give one of them its own: name = "..."'
            report.add(entry.path, f"remembers, as {first[entry.use].name} does; {why}")
        first.setdefault(entry.use, entry)


def _check_sums(entries: list[Entry], report: Report) -> None:
    """What a stage sums up comes out behind it."""
    last = max((index for index, entry in enumerate(entries) if entry.role == "write"), default=len(entries))
    for entry in entries[last + 1 :]:
        if sums(_built(entry)):
            report.warn(entry.path, "comes behind the last write stage, so what it sums up is written nowhere")


def _remembers(entry: Entry) -> bool:
    stage = _built(entry)
    return remembers(stage) or sums(stage)


def _built(entry: Entry) -> Any:
    """The stage, or its class where its options are wrong."""
    if entry.spec and isinstance(entry.stage, type):
        return construct(entry.stage, entry.spec.options)
    return entry.stage


def _check_order(entries: list[Entry], report: Report) -> None:
    first: Entry | None = None  # the first stage that is not a parse stage
    takes_all: Entry | None = None  # the first parse stage that takes every file
    for entry in entries:
        if entry.role == "parse":
            if first:
                why = "parse stages come first, and each file uses the first one whose `only` matches"
                report.add(entry.path, f"comes after {first.use}; {why}")
            elif takes_all:
                report.warn(entry.path, f"is never used: {takes_all.use} above it has no `only` and takes every file")
            elif entry.spec and not entry.spec.only:
                takes_all = entry
            continue
        if entry.role == "enrich" and needs_places(entry.stage):
            if first:
                before = ", before those that read a field" if first.spec and first.spec.field else ""
                why = f"it needs the place of each line, so it must come directly after the parse stages{before}"
                report.add(entry.path, f"comes after {first.use}; {why}")
            if entry.spec and entry.spec.when:
                report.add((*entry.path, "when"), "this stage needs the place of every line, so it takes no `when`")
        first = first or entry


def _check_sinks(entries: list[Entry], report: Report) -> None:
    ids: dict[str, Entry] = {}
    files: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.role != "write" or not entry.spec:
            continue
        identity, path = entry.spec.id, entry.spec.options["path"] if entry.template else ""
        others = files.setdefault(path, []) if path else []
        if other := next((one for one in others if one.part == entry.part or one.use != entry.use), None):
            differ = f" unless they differ in `{entry.shared_by}`" if entry.shared_by and other.use == entry.use else ""
            why = f"{other.name} writes this file too, and two sinks must not share one{differ}"
            report.add((*entry.path, "path"), f"found {show(entry.template)}; {why}")
        elif identity in ids:
            why = f"give one of them an id of its own: id = {show(identity + '-2')}"
            key = (*entry.path, "id") if (*entry.path, "id") in report.lines else entry.path
            report.add(key, f"the id {show(identity)} is also that of {ids[identity].name}; {why}")
        others.append(entry)
        ids.setdefault(identity, entry)
