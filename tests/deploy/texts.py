"""Parts of YAML files, found without a parser of YAML: these files are ours, and of one form."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


class Alert(NamedTuple):
    name: str
    expression: str
    text: str  # all of it


def alerts() -> list[Alert]:
    text = (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8")
    found = []
    for name, rest in re.findall(r"- alert: (\w+)\n((?:.|\n)*?)(?=\n\n|\Z)", text):
        expression = re.search(r"expr: (?:>-\n)?((?:.|\n)+?)\n {8}(?:for|labels):", rest)
        assert expression is not None, name
        found.append(Alert(name, " ".join(expression[1].split()), rest))
    assert len(found) == text.count("alert: ")
    return found


def literal(text: str, key: str) -> str:
    """The block of lines under ``key: |``."""
    found = re.search(rf"^( *){re.escape(key)}: \|\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE)
    assert found is not None, key
    return textwrap.dedent(found[2])
