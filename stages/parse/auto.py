"""Lines of several formats, told apart line by line."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail, Lines, Skip
from tailrace.pipeline.keys import Problems
from tailrace.pipeline.stage import Parse
from tailrace.stages.patterns.costs import Costs
from tailrace.stages.values.conversion import Kind, OnBadType, excerpt
from tailrace.stages.values.times import DEFAULT_FORMATS

Format = Literal["json", "klog", "cri", "syslog", "logfmt", "combined"]

_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2})"
_ISO_OR_SHORT = _ISO.replace(":[0-9]{2})", ":?[0-9]{2})")  # journalctl -o short-iso
_ISO_OF_DAEMONS = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}[+-][0-9]{2}:?[0-9]{2}"  # rsyslog, Heroku
_LEVELS = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|ALERT|FATAL|EMERG"
_KEY = r"[A-Za-z_@][\w.@/-]*+"
_VALUE = r'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^ \t"][^ \t]*+)?+'
_CLF = r"\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:"

# What a line of each format looks like, the surest first; the docstring tells it in words. The names are those of the
# parse stages. An ISO time is followed by a level in logs that are not syslog.
_LOOKS: dict[str, str] = {
    "json": r"\ufeff?[ \t]*+\{",
    "klog": r"[IWEF][0-9]{4}(?:[0-9]{4})? [0-9]{2}:[0-9]{2}:[0-9]{2}\.",
    "cri": rf"{_ISO} (?:stdout|stderr) [PF](?:[ :]|\Z)",
    "syslog": (
        r"(?:[0-9]{1,10} )?<[0-9]{1,3}>|[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}|"
        rf"{_ISO_OR_SHORT} (?!(?i:{_LEVELS})[ :])[^ :]{{1,255}} [^ :\[]{{1,255}}\[[0-9]{{1,10}}\]: |"
        rf"{_ISO_OF_DAEMONS} (?!(?i:{_LEVELS})[ :])(?:[^ :]{{1,255}} [^ :\[{{\"]{{1,255}}: |[a-z]+\[[a-z0-9_.-]+\]: )"
    ),
    "logfmt": rf"(?:<[0-9]{{1,3}}>)?[ \t]*+(?:{_KEY}={_VALUE}(?:[ \t]++|\Z)){{2,}}+\Z",
    "combined": rf"[^\[]*+(?:(?!{_CLF})\[[^\[]*+)*+{_CLF}",
}


def _available() -> list[Any]:
    return [name for name in _LOOKS if importlib.util.find_spec(f"tailrace.stages.parse.{name}")]


@dataclass
class Auto:
    """Each line by the parser of the format it looks like, with the fields that this parser makes. ``formats`` narrows
    down what is looked for:

    - ``json``: begins with ``{``
    - ``klog``: begins with a level and a time, ``I0327 13:06:56.``
    - ``cri``: begins with an ISO time, ``stdout`` or ``stderr``, and ``P`` or ``F``
    - ``syslog``: begins with ``<PRI>``, with a time such as ``Mar 27 13:06:56``, or with an ISO time, a host (not a
      level) and a tag with a process id, or without one where the time is as rsyslog writes it, with microseconds and
      an offset; or with such a time and ``app[web.1]:``
    - ``logfmt``: has nothing but pairs, two or more, perhaps behind a ``<PRI>``
    - ``combined``: has a time such as ``[17/May/2015:10:05:03 +0000]`` (common logs have it, too)

    What its parser finds to be no such line is given to the next one whose look it has. ``format_field`` names a field
    that gets the format's name. ``types`` (see parse.regex) are for json and logfmt; ``timezone`` is for times that
    tell none.

    Fails: ``no_match``, and what the parser fails with, told with the format.

    Example::

        [[stages]]
        use = "parse.auto"
        format_field = "format"
        types = { ts = "timestamp", order = "int" }

    Lines::

        {"ts": 1770028245, "level": "info", "msg": "order paid", "order": 7}
        ts=2026-02-02T10:30:46Z level=error msg="card expired" order=8
        <38>Feb  2 10:30:47 web1 sshd[812]: Accepted publickey for ann
        192.0.2.7 - - [02/Feb/2026:10:30:48 +0000] "GET /cart HTTP/1.1" 200 2750 "-" "curl/8.5.0"
        Listening on port 8080
    """

    plain: ClassVar[bool] = True

    formats: list[Format] = field(default_factory=_available)  # those that are looked for
    format_field: str = ""  # gets the name of the line's format; "": nowhere
    types: dict[str, Kind] = field(default_factory=dict)
    on_bad_type: OnBadType = "error"
    time_formats: list[str] = field(default_factory=lambda: list(DEFAULT_FORMATS))
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.formats:
            problems.add("formats", f"is empty; expected some of {', '.join(_LOOKS)}")
        names: list[str] = [name for name in _LOOKS if name in self.formats]
        with problems.of(""):
            self._parsers = {name: self._parser(name) for name in names}
        problems.check()
        self._costs = Costs(names)
        self._looks = {name: re.compile(_LOOKS[name], re.DOTALL).match for name in names}
        self._look = re.compile("|".join([f"(?P<{name}>{_LOOKS[name]})" for name in names]), re.DOTALL).match

    def parse(self, lines: Lines) -> list[Event | Fail | Skip]:
        if "json" in self._parsers and _all_objects(lines):
            return self._entries("json", lines)
        look = self._look
        found = [match.lastgroup if (match := look(line)) else None for line in lines.texts]
        formats = set(found)
        if len(formats) == 1:
            return self._entries(found[0], lines)
        entries: list[Any] = [None] * len(found)
        for name in formats:
            where = [i for i, one in enumerate(found) if one == name]
            for i, entry in zip(where, self._entries(name, _some(lines, where)), strict=True):
                entries[i] = entry
        return entries

    def costs(self) -> Mapping[str, tuple[float, int]]:
        """See ``stage.Costs``: by format."""
        return self._costs.take()

    def _parser(self, name: str) -> Parse:
        module = importlib.import_module(f"tailrace.stages.parse.{name}")
        stage = getattr(module, name.capitalize())
        taken = {one.name for one in fields(stage)} & {"types", "on_bad_type", "time_formats", "timezone"}
        parser: Parse = stage(**{key: getattr(self, key) for key in taken})
        return parser

    def _entries(self, name: str | None, lines: Lines) -> list[Any]:
        """Those of lines that look like this format."""
        if name is None:
            why = f"looks like none of {', '.join(self._parsers)}"
            return [Fail("no_match", f"{why}: {excerpt(line)}") for line in lines]
        entries, failed = self._parsed(name, lines)
        for i in failed:
            if entries[i].code == "no_match":
                entries[i] = self._by_another(name, entries[i], lines.part(i, 1))
        return entries

    def _parsed(self, name: str, lines: Lines) -> tuple[list[Any], list[int]]:
        """What this parser makes of them, and which it failed."""
        with self._costs.of(name):
            entries: list[Any] = list(self._parsers[name].parse(lines))
        failed: list[int] = []
        if set(map(type, entries)) != {dict}:
            failed = [i for i, entry in enumerate(entries) if isinstance(entry, Fail)]
            for i in failed:
                entries[i] = Fail(entries[i].code, f"{name}: {entries[i].why}")
        self._costs.matched(name, len(entries) - len(failed))
        if self.format_field:
            for entry in entries:
                if type(entry) is dict:
                    entry[self.format_field] = name
        return entries, failed

    def _by_another(self, name: str, fail: Fail, line: Lines) -> Any:
        """What becomes of a line that this format's parser takes for another's."""
        names = list(self._looks)
        for other in names[names.index(name) + 1 :]:
            if self._looks[other](line[0]):
                (entry,), failed = self._parsed(other, line)
                if not failed or entry.code != "no_match":
                    return entry
        return fail


def _all_objects(lines: Lines) -> bool:
    """Whether each begins with a brace, and so is JSON for sure: found out at once for the whole piece."""
    return not lines.several_lines and lines.data[:1] == b"{" and lines.data.count(b"\n{") == len(lines) - 1


def _some(lines: Lines, where: Sequence[int]) -> Lines:
    places = lines.origin.places
    if len(places) == len(lines):  # those of a field's texts are not told
        places = [places[i] for i in where]
    return Lines.of([lines.records[i] for i in where], replace(lines.origin, places=places))
