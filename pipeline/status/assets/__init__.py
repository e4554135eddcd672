"""The page's files."""

from __future__ import annotations

from importlib.resources import files

from tailrace.pipeline.status.api import Answer

_KINDS = {
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
}  # fmt: skip
_DIRECTORY = files(__name__)
ASSETS = {f"/{one.name}" for one in _DIRECTORY.iterdir() if one.name.rpartition(".")[2] in _KINDS} | {"/"}


def asset(path: str) -> Answer:
    """One of ``ASSETS``."""
    name = path[1:] or "index.html"
    return Answer(_DIRECTORY.joinpath(name).read_bytes(), kind=_KINDS[name.rpartition(".")[2]])
