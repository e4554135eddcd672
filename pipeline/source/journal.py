"""The journal of systemd as a source: what ``journalctl -o json`` prints, from a remembered cursor on.

Each record is an entry as one object of JSON (https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format); its
``__CURSOR`` is what the next start goes on behind.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, cast

import orjson
from tailrace.pipeline.keys import FilePath, Problems, Text
from tailrace.pipeline.settings import SourceSettings
from tailrace.pipeline.source import JSON, Source
from tailrace.pipeline.source.building import Surroundings
from tailrace.pipeline.source.piped import Piped
from tailrace.pipeline.source.recorded.streams import Plain, Stream

_CURSOR = re.compile(rb'"__CURSOR"\s*:\s*("[^"\\]+")')  # in a text within the object, the quotes have backslashes
_MATCH = re.compile(r"[A-Z0-9_]+=.+|\+")
_WORDS = 500  # bytes of what it says when it ends


@dataclass(slots=True, frozen=True)
class Settings(SourceSettings):
    """The table [source] with ``use = "journal"``. Parse the entries with ``parse.json``."""

    cannot_reread: ClassVar[bool] = True

    use: str = "journal"
    name: Annotated[str, Text()] = "journal"  # in place of a file's, for `only` and {source}
    units: tuple[Annotated[str, Text()], ...] = ()  # only of these, such as "nginx.service" or "docker*"
    matches: tuple[Annotated[str, Text()], ...] = ()  # only with these fields, as `journalctl` takes them: "PRIORITY=3"
    directory: Annotated[str, FilePath()] = ""  # with journal files; empty: the system's
    read_from: Literal["beginning", "end"] = "beginning"  # of a journal that was not read before
    command: Annotated[str, Text()] = "journalctl"

    def __post_init__(self) -> None:
        SourceSettings.__post_init__(self)
        problems = Problems()
        for index, match in enumerate(self.matches):
            if not _MATCH.fullmatch(match):
                problems.add(
                    f"matches[{index}]", f'found {match!r}, expected FIELD=value, such as "PRIORITY=3", or "+"'
                )
        problems.check()


class _Journal:
    goes_on = True

    def __init__(self, settings: Settings, until_eof: bool) -> None:
        self.name = settings.name
        self._settings, self._until_eof = settings, until_eof
        self._child: subprocess.Popen[bytes] | None = None

    def _command(self, *options: str) -> list[str]:
        settings = self._settings
        command = [settings.command, "--output=json", "--all", "--no-pager", "--quiet", *options]
        command += [f"--unit={unit}" for unit in settings.units]
        command += [f"--directory={settings.directory}"] if settings.directory else []
        return [*command, *settings.matches]

    def begin(self) -> JSON:
        """At the end, that is behind the last entry there is."""
        if self._settings.read_from == "beginning":
            return None
        last = subprocess.run(self._command("--lines=1"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return self.remember(last.stdout)

    def connect(self, after: JSON) -> Stream:
        self.close()
        options = [] if self._until_eof else ["--follow", "--no-tail"]
        options += [] if after is None else [f"--after-cursor={after}"]
        self._child = subprocess.Popen(
            self._command(*options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        os.set_blocking(self._child.stderr.fileno(), False)
        return Plain(self._child.stdout.fileno(), pipe=True, keep_open=True)

    def fileno(self) -> int:
        return self._child.stdout.fileno() if self._child is not None and self._child.stdout is not None else -1

    def remember(self, line: bytes) -> JSON:
        found = _CURSOR.search(line)
        return orjson.loads(found[1]) if found else None

    def ended(self) -> str | None:
        assert self._child is not None
        assert self._child.stderr is not None
        code = self._child.wait()  # it has closed its output
        words = (self._child.stderr.read(_WORDS) or b"").decode(errors="replace").strip()
        if code == 0 and self._until_eof:
            return None
        return f"{self._settings.command} ended with {code}{': ' if words else ''}{words}"

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdout, self._child.stderr):
                if pipe is not None:
                    pipe.close()
            self._child = None


def build(settings: SourceSettings, about: Surroundings) -> Source:
    return Piped(settings, about, _Journal(cast(Settings, settings), about.until_eof))
