"""Which outputs are in use: ``replay --keep-sinks`` writes only to those that no state knows."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tailrace.pipeline.cli.writable import fixed_part
from tailrace.pipeline.config.overlap import can_match
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.state.file import FILE_NAME, check_version, connect, read_marks, refusing
from tailrace.pipeline.state.lock import held, holder

_INSTEAD = (
    "Leave out --keep-sinks: events then go to standard output and nothing is touched. Or use a copy of the "
    "configuration with outputs and a pipeline.state_dir of its own"
)


@contextmanager
def unclaimed(config: Config) -> Iterator[None]:
    """No daemon runs with this configuration's state, or can start inside, and the state knows none of the outputs: a
    daemon's next start would cut off what others have added to them. Else TailraceError, before anything is written."""
    directory = config.pipeline.state_dir
    process = holder(directory)
    if process is not None:
        raise TailraceError(
            f"--keep-sinks would write to outputs of a tailrace that is running (process {process}, state "
            f"{escape(directory)}), and its next start would cut that off again. {_INSTEAD}"
        )
    with held(directory):
        paths = _outputs(config)
        if paths:
            more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
            raise TailraceError(
                f"--keep-sinks would write to {escape(paths[0])}{more}, which `tailrace run` has written so far (state "
                f"{escape(directory)}), and its next start would cut that off again. {_INSTEAD}"
            )
        yield


def _outputs(config: Config) -> list[str]:
    """Paths in the state that a sink of this configuration can write to."""
    path = Path(os.path.realpath(config.pipeline.state_dir), FILE_NAME)
    if not os.path.lexists(path):
        return []
    with refusing(path), closing(connect(path)) as db:
        marks = read_marks(db, check_version(path, db))
        paths = [(sink, _path_of(mark, destination)) for sink in marks for destination, mark in marks[sink].items()]
    sinks = [spec for spec in config.stages if spec.role == "write"]
    return [written for sink, written in paths if any(_writes(spec, sink, written) for spec in sinks)]


def _path_of(mark: Any, destination: str) -> str:
    """Marks are as their sink has them: those of others than ``write.file`` need not have a path."""
    return str(mark["path"]) if isinstance(mark, dict) and "path" in mark else destination


def _writes(spec: StageSpec, sink: str, path: str) -> bool:
    template = spec.options.get("path")
    if not isinstance(template, str):
        return spec.id == sink
    base = fixed_part(template)
    literal = base[: base.rfind("/") + 1]
    resolved = os.path.join(os.path.realpath(literal), "")
    rest = template[len(literal.replace("{", "{{").replace("}", "}}")) :]
    return can_match(glob.escape(path), resolved.replace("{", "{{").replace("}", "}}") + rest)
