"""A configuration as text: what most tests need, and what a test wants otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping

Table = Mapping[str, object]


def to_file(path: str = "out/all.ndjson", **keys: object) -> Table:
    return {"use": "write.file", "path": path, **keys}


def configuration(
    *stages: str | Table,
    source: Table | None = None,
    tables: Mapping[str, Table] | None = None,  # others, by name
    **pipeline: object,
) -> str:
    """Without workers, from logs/*.log; a stage is its table, or its `use`. No stages: JSON to out/all.ndjson."""
    text = _table("[pipeline]", {"state_dir": "state", "workers": 0, **pipeline})
    text += _table("[source]", {"paths": ["logs/*.log"], **(source or {})})
    for name, table in (tables or {}).items():
        text += _table(f"[{name}]", table)
    for stage in stages or ("parse.json", to_file()):
        text += _table("[[stages]]", {"use": stage} if isinstance(stage, str) else stage)
    return text


def _table(header: str, keys: Table) -> str:
    return "\n".join([header, *(f"{key} = {_value(value)}" for key, value in keys.items()), ""])


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in value.items())} }}"
    return json.dumps(value)  # a string, number, truth value or list of these is the same in TOML
