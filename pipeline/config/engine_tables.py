"""The engine's own tables: [pipeline], [source] and the others that a file has once at most."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.tables import Unknown, read_table, unknown_key
from tailrace.pipeline.construct import construct
from tailrace.pipeline.settings import (
    DeadLetterSettings,
    LogSettings,
    PipelineSettings,
    SecretsSettings,
    StatusSettings,
    TailSettings,
)

T = TypeVar("T")

_CLASSES: dict[str, type] = {
    "pipeline": PipelineSettings,
    "source": TailSettings,  # for hints only: which keys there are follows from `use`
    "dead_letters": DeadLetterSettings,
    "log": LogSettings,
    "status": StatusSettings,
    "secrets": SecretsSettings,
}
"""By the name of the table."""

KEYS = {name: [one.name for one in fields(cls)] for name, cls in _CLASSES.items()}


def table_of(name: str, tables: dict[str, Any], report: Report) -> dict[str, Any]:
    """One of the tables as the file has it; empty where it is absent or, which the report says then, no table."""
    table = tables.get(name, {})
    if isinstance(table, dict):
        return table
    report.add((name,), _wrong_shape(name, table))
    return {}


def read_settings(cls: type[T], name: str, tables: dict[str, Any], report: Report) -> T:
    """A table's settings as far as they are right; the others have their defaults."""
    read = read_table(cls, table_of(name, tables, report), (name,), report, unknown=unknown_key_of(name))
    return construct(cls, read.values if read else {})


def unknown_key_of(table: str) -> Unknown:
    """What to say of a key that this table does not have."""

    def unknown(key: str, known: Sequence[str]) -> str:
        home = [other for other, others in KEYS.items() if key in others and other != table]
        if home and not difflib.get_close_matches(key, known, n=1):
            return f"unknown key; it belongs to [{home[0]}] (known: {', '.join(known)})"
        return unknown_key(key, known)

    return unknown


def _wrong_shape(name: str, value: Any) -> str:
    """For a name of ours that does not hold the kind of table it should."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return f"this table is written once: use [{name}] with single brackets"
    return f"found {show(value)}, expected a table: a line [{name}], and its keys below it"


def unknown_table(name: str, value: Any) -> str:
    """For a name at the top of the file that is not ours: a wrong table, or a key outside of its table."""
    home = [table for table, keys in KEYS.items() if name in keys]
    if not isinstance(value, (dict, list)) and home:
        return f"this key belongs in a table: move it below [{home[0]}]"
    known = [*(f"[{table}]" for table in KEYS), "[[stages]]"]
    near = difflib.get_close_matches(name, [*KEYS, "stages"], n=1)
    hint = f"; did you mean {_brackets(near[0])}?" if near else ""
    return f"unknown {'table' if isinstance(value, (dict, list)) else 'key'}{hint} (known: {', '.join(known)})"


def _brackets(name: str) -> str:
    return "[[stages]]" if name == "stages" else f"[{name}]"
