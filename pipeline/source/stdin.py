"""Standard input as a source: what another program writes, until it ends."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

from tailrace.pipeline.keys import Text
from tailrace.pipeline.settings import SourceSettings
from tailrace.pipeline.source import JSON, Source
from tailrace.pipeline.source.building import Surroundings
from tailrace.pipeline.source.piped import Piped
from tailrace.pipeline.source.recorded.streams import Plain, Stream


@dataclass(slots=True, frozen=True)
class Settings(SourceSettings):
    """The table [source] with ``use = "stdin"``. The run ends when standard input does. What a program has written
    into the pipe and no commit covers is lost if the process is killed: nobody can ask for it again."""

    cannot_reread: ClassVar[bool] = True
    resumes: ClassVar[bool] = False

    use: str = "stdin"
    name: Annotated[str, Text()] = "stdin"  # in place of a file's, for `only` and {source}


class _Standard:
    goes_on = False

    def __init__(self, name: str, descriptor: int) -> None:
        self.name, self._descriptor = name, descriptor

    def begin(self) -> JSON:
        return None

    def connect(self, after: JSON) -> Stream:  # noqa: ARG002  there is no going back
        pipe = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        return Plain(self._descriptor, pipe=pipe, keep_open=True)

    def fileno(self) -> int:
        return self._descriptor

    def remember(self, line: bytes) -> JSON:  # noqa: ARG002
        return None

    def ended(self) -> str | None:
        return None

    def close(self) -> None:
        """It is not ours."""


def build(settings: SourceSettings, about: Surroundings, descriptor: int = 0) -> Source:
    return Piped(settings, about, _Standard(cast(Settings, settings).name, descriptor))
