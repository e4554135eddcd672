"""``enrich.template``: what a line says without what varies in it, and a short name for that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems
from tailrace.stages.values.conversion import excerpt

_IDS = 4096  # templates whose id is remembered
_LONGEST = 1024  # characters of one: 4 MB together at most

_UNITS = r"[KMGTP]?i?[Bb]|bytes?|[munp]?s|secs?|seconds?|minutes?|hours?|days?|[kMG]?Hz|%"
_MONTH = "[ADFJMNOS](?:an|eb|ar|pr|ay|un|ul|ug|ep|ct|ov|ec)"
_DAY = "[FMSTW](?:on|ue|ed|hu|ri|at|un)"
_END = r"(?![^ ,.;:)\]\n])"  # of a word, but for what is written behind words

# One substitution each for all texts of a batch, in which every word has a blank before it. Each begins with a
# character of its own, which is found many times faster than one of a set; none matches a newline.
_PASSES = [
    # The value of key=value: quoted, with braces, or up to a blank, a bracket or the like.
    (re.compile(r'=(?=[^] ,;)\n])(?:"[^"\n]*+"|[^] ",;){\n]*+(?:\{[^{}\n]*+\}++)?[^] ",;)\n]*+)').sub, "=*"),
    # A number behind an underscore, a bracket or a colon: what stands before it stays.
    (re.compile(r"_-?[0-9][^ \n]*+").sub, "_*"),
    (re.compile(rf"\([^ 0-9\n()]*+[0-9][^ \n)]*+(?: (?:{_UNITS})(?=\)))?\)?").sub, "(*)"),
    (re.compile(r":[^ 0-9\n:/]*+[0-9][^ \n]*+").sub, ":*"),
    # A name behind "user", or between "for" and "from".
    (re.compile(r" user [^ \n]++").sub, " user *"),
    (re.compile(r" for [^ \n]++(?= from )").sub, " for *"),
    # Words: those with a digit (and a unit behind it), paths, names with two dots or more, truth values, long ones of
    # hexadecimal letters, what stands in single quotes, dates.
    (
        re.compile(
            r" (?:[^ 0-9./\n]*+(?=[0-9./])(?:"
            rf"[^ 0-9\n]*+[0-9][^ \n]*+(?: (?:{_UNITS}){_END}[^ \n]*+)?"
            r"|[^ /\n]*+/[^ /\n]++/[^ \n]*+"
            r"|[^ .\n]*+\.[^ .\n]++\.[^ .\n][^ \n]*+)"
            rf"|[TtFfn](?:rue|alse|ull){_END}"
            rf"|[a-f]{{8,}}+{_END}"
            r"|'[^'\n]*+'"
            rf"|(?:{_DAY},? ++)?{_MONTH}[a-z]*+ ++[0-9][^ \n]*+)"
        ).sub,
        " *",
    ),
    # Lists, however long.
    (re.compile(r" \*++[,;]?+(?: \*++[,;]?+)++").sub, " *"),
]


@dataclass
class Template:
    """``into`` gets the text of ``field`` with ``*`` for what varies in it, ``id_into`` a short name of that template.

    The same text gets the same template and id in every worker, after every restart and whatever came before. ``*``
    stands for words with a digit (and a unit behind it), values of ``key=value``, paths, names with two dots or more
    (of hosts and classes), dates, truth values, single quotes and what is in them, the name behind ``user`` or between
    ``for`` and ``from``, and for lists of these, however long. A tab becomes a blank.

    What the event has in these fields is replaced. An event without ``field``, or where it is no text, is left as it
    is, unless ``required``.

    Fails: ``missing_field``, ``bad_type`` (not a text), both only if ``required``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.template"
        field = "msg"
        required = true

    Lines::

        {"msg": "order 7 paid after 1.5 s from 192.0.2.7"}
        {"msg": "order 8 paid after 204 ms from 192.0.2.9"}
        {"msg": "cannot read /srv/shop/orders/7.json: user=ann code=2"}
        {"msg": 42}
    """

    plain: ClassVar[bool] = True

    field: str = "message"  # the one with the text
    into: str = "template"  # the field that takes the template
    id_into: str = "template_id"  # the field that takes its short name
    required: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        for key in ("field", "into", "id_into"):
            if not getattr(self, key):
                problems.add(key, "a field needs a name")
        if self.into == self.id_into:
            problems.add("id_into", f"{self.id_into!r} is the field of the template already (`into`)")
        problems.check()
        self._ids = _Ids()

    def process(self, events: list[Event]) -> list[Event | Fail]:
        field, into, name, ids = self.field, self.into, self.id_into, self._ids
        entries: list[Event | Fail] = list(events)
        texts = [event.get(field) for event in events]
        if {*map(type, texts)} != {str}:
            if self.required:
                entries = [event if type(event.get(field)) is str else _unsuitable(event, field) for event in events]
            events = [event for event in events if type(event.get(field)) is str]
            texts = [event[field] for event in events]
        for event, template in zip(events, templates_of(texts), strict=True):  # type: ignore[arg-type]  # texts by now
            event[into] = template
            event[name] = ids[template]
        return entries


class _Ids(dict[str, str]):
    """``ids[template]``: of 64 bits, in hexadecimal digits."""

    def __missing__(self, template: str) -> str:
        name = blake2b(template.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        if len(template) <= _LONGEST:
            if len(self) >= _IDS:
                self.clear()
            self[template] = name
        return name


def templates_of(texts: Sequence[str]) -> list[str]:
    """The template of each text; of one with several lines, those of its lines."""
    if not texts:
        return []
    joined = "\n".join(texts)
    several = joined.count("\n") != len(texts) - 1
    joined = f" {joined}".replace("\n", "\n ").replace("\t", " ")
    for substitute, by in _PASSES:
        joined = substitute(by, joined)
    lines = joined[1:].split("\n ")
    if not several:
        return lines
    templates, at = [], 0
    for text in texts:
        end = at + text.count("\n") + 1
        templates.append("\n".join(lines[at:end]))
        at = end
    return templates


def _unsuitable(event: Event, field: str) -> Fail:
    value = event.get(field)
    if value is None:
        return Fail("missing_field", f"the event has no field {field!r}", event)
    return Fail("bad_type", f"{field}: {excerpt(value)} is not a text", event)
