"""The pages of docs/stages/, made of the code: ``python -m tests.stage_pages`` brings them up to date, and what the
commands of docs/formats.md print.

A page says what ``tailrace stages NAME`` says, and what comes out of the example: the sections ``Example::``,
``Lines::`` and perhaps ``File NAME::`` and ``Commands::`` at the end of the stage's docstring.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tailrace.pipeline.chain.loader import Role, built_in, resolve
from tailrace.pipeline.config.about import About, Option, about, common_options, summary_of

from .documents import ROOT, filled
from .stages.enrich.databases import CITY, write_database

PAGES = ROOT / "docs" / "stages"
FORMATS = ROOT / "docs" / "formats.md"
ROLES: tuple[Role, ...] = ("parse", "enrich", "write")
_MADE = "<!-- Made of the code by `make documents`: change the stage's docstring, not this. -->"
_SOURCE = '[source]\npaths = ["example.log"]\n'


def paths() -> list[Path]:
    """Of all pages that there should be, the index included."""
    return [PAGES / f"{name}.md" for name in ["README", *built_in()]]


def right(path: Path) -> str:
    """The text that a page, or docs/formats.md, should have now."""
    if path == PAGES / "README.md":
        return index()
    text = path.read_text(encoding="utf-8") if path == FORMATS else page(describe(path.stem))
    with TemporaryDirectory() as directory, TemporaryDirectory() as programs:
        write_beside(path.stem, Path(directory))
        return _without_empty(filled(text, Path(directory), Path(programs)))


def describe(use: str) -> About:
    return about(use, resolve(use, ROOT))


def write_beside(use: str, directory: Path) -> None:
    """What a stage's example reads and a page cannot show: a database."""
    if use == "enrich.geoip":
        write_database(directory / "GeoLite2-City.mmdb", "GeoLite2-City", {"192.0.2.0/24": CITY})


def index() -> str:
    parts = [
        _MADE,
        "# The stages",
        "What each does, its keys, and an example. `tailrace stages NAME` shows the same; "
        "[how to write one](../stages.md) is another document.",
    ]
    for role in ROLES:
        names = [name for name in built_in() if name.startswith(f"{role}.")]
        parts.append(
            _table(("stage", "what it does"), [(f"[`{name}`]({name}.md)", summary_of(name)) for name in names])
        )
    for role in ROLES:
        parts += [f"## Keys of every {role} stage", _keys(common_options(role))]
    return "\n\n".join(parts) + "\n"


def page(it: About) -> str:
    """Without what the commands print."""
    parts = [_MADE, f"# {it.use}", f"{it.summary}.", *it.paragraphs, *(f"{fact}." for fact in it.facts)]
    names = ", ".join(f"`{option.name}`" for option in common_options(it.role))
    common = f"[every {it.role} stage](README.md#keys-of-every-{it.role}-stage) has: {names}."
    if it.options:
        parts += ["## Keys", _keys(it.options), f"Beside these there are the keys that {common}"]
    else:
        parts += ["## Keys", f"Those that {common}"]
    if it.fails:
        parts += ["## Dead letters", it.fails]
    if it.example:
        parts += ["## Example", _example(it)]
    return "\n\n".join(parts) + "\n"


def _example(it: About) -> str:
    blocks = [_block("file: example.toml", "toml", f"{_SOURCE}\n{it.example}")]
    blocks += [_block(f"file: {name}", "", text) for name, text in it.files]
    if it.lines:
        blocks.append(_block("file: example.log", "", it.lines))
        commands = it.commands or ["tailrace replay -c example.toml example.log"]
        blocks.append(_block("run", "console", "\n".join(f"$ {command}" for command in commands)))
        blocks.append("Dead letters:\n\n" + _block("dead letters", "", ""))
    return "\n\n".join(blocks)


def _block(comment: str, language: str, text: str) -> str:
    return f"<!-- {comment} -->\n```{language}\n{text}\n```"


def _without_empty(text: str) -> str:
    """Without the dead letters of an example that has none."""
    return re.sub(r"\nDead letters:\n\n<!-- dead letters -->\n```\n\n?```\n", "", text)


def _keys(options: Sequence[Option]) -> str:
    rows = [
        (
            f"`{one.name}`",
            one.kind,
            "required" if one.required else f"`{one.default}`" if one.default else "",
            one.text,
        )
        for one in options
    ]
    return _table(("key", "what it holds", "default", ""), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for old in set(PAGES.glob("*.md")) - set(paths()):
        old.unlink()
    for path in [*paths(), FORMATS]:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        path.write_text(right(path), encoding="utf-8")
