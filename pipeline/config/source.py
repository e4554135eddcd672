"""The ``[source]`` table: the source that its ``use`` names, whose settings are the table's further keys."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import tailrace.pipeline.source as built_in
from tailrace.pipeline.chain.loader import resolve_own
from tailrace.pipeline.config.building import check_built
from tailrace.pipeline.config.engine_tables import unknown_key_of
from tailrace.pipeline.config.paths import absolute_exclude, absolute_glob, check_path
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.tables import read_table
from tailrace.pipeline.construct import construct
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import SourceSettings, TailSettings

DEFAULT = "tail"


def settings_class(use: Any, directory: str) -> type[SourceSettings]:
    """``tail`` is the class ``Settings`` of ``pipeline/source/tail``, ``my.module:Name`` one of the user's own.
    ConfigError: there is none of this name, or importing it fails."""
    found: Any
    if not isinstance(use, str):
        raise ConfigError([f"found {show(use)}, expected the name of a source, for example {show(DEFAULT)}"])
    if ":" in use:
        found = resolve_own(use, directory)
    elif use in known_sources():
        found = importlib.import_module(f"{built_in.__name__}.{use}").Settings
    else:
        near = difflib.get_close_matches(use, known_sources(), n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ConfigError([f"there is no source {show(use)}{hint} (known: {', '.join(known_sources())})"])
    if not (isinstance(found, type) and issubclass(found, SourceSettings)):
        raise ConfigError([f"{use} is not a source: expected a dataclass derived from {SourceSettings.__name__}"])
    return found


def known_sources() -> list[str]:
    """The names of the sources that come with tailrace. Reads their files, imports none of them."""
    names = []
    for module in pkgutil.iter_modules(built_in.__path__):
        file = Path(built_in.__path__[0], f"{module.name}/__init__.py" if module.ispkg else f"{module.name}.py")
        if re.search(r"^class Settings\b|\bas Settings\b", file.read_text(encoding="utf-8"), re.MULTILINE):
            names.append(module.name)
    return names


def load_source(table: dict[str, Any], directory: str, report: Report) -> SourceSettings:
    """What is right of the table; what is wrong goes to the report."""
    use = table.get("use", DEFAULT)
    try:
        cls = settings_class(use, directory)
    except ConfigError as error:
        for problem in error.problems:
            report.add(("source", "use"), problem)
        return SourceSettings()
    read = read_table(cls, {"use": use} | table, ("source",), report, unknown=unknown_key_of("source"))
    if read is None:
        return SourceSettings()
    before = report.count
    check_built(cls, read.values, ("source",), report, whole=read.whole)
    if report.count > before:
        return SourceSettings()
    settings = construct(cls, read.values)
    return _absolute(settings, table, directory, report) if isinstance(settings, TailSettings) else settings


def _absolute(settings: TailSettings, table: dict[str, Any], directory: str, report: Report) -> TailSettings:
    globs = {}
    for key, make_absolute in (("paths", absolute_glob), ("exclude", absolute_exclude)):
        patterns: Sequence[str] = getattr(settings, key)
        for index, pattern in enumerate(patterns):
            try:
                check_path(pattern)
            except ValueError as wrong:
                report.add(("source", key, index), f"found {show(table[key][index])}, {wrong}")
        globs[key] = tuple(make_absolute(pattern, directory) for pattern in patterns)
    if not settings.paths and not _is_reported(table, report):
        report.add(("source",), 'needs at least one path, for example  paths = ["/var/log/app/*.log"]')
    return replace(settings, paths=globs["paths"], exclude=globs["exclude"])


def _is_reported(table: dict[str, Any], report: Report) -> bool:
    """That there are no paths follows from a problem in the report: they, or the table, are wrong or misspelt."""
    if report.has_problem(("source", "paths")) or (not table and difflib.get_close_matches("source", report.top_names)):
        return True
    return bool(difflib.get_close_matches("paths", table.keys() - {one.name for one in fields(TailSettings)}))
