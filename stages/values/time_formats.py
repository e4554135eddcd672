"""The formats of times: names such as ``rfc3339`` and directives of ``strptime``, made into regular expressions whose
groups have the directives' letters."""

from __future__ import annotations

import re

CLF = "%d/%b/%Y:%H:%M:%S %z"  # the Common Log Format of Apache and nginx
UNIX = {"unix": None, "unix_s": 0, "unix_ms": 3, "unix_us": 6, "unix_ns": 9}
"""The names of counts since 1970, with the decimals of a second that the unit stands for; None: the digits tell."""

_OFFSET = r"[+-][0-9]{2}(?::?[0-9]{2}){0,2}"
_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "b": r"(?P<b>[A-Za-z]{3,9})",
    "d": r"(?P<d> ?[0-9]{1,2})",
    "j": r"(?P<j>[0-9]{1,3})",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "p": r"(?P<p>[AaPp][Mm])",
    "M": r"(?P<M>[0-9]{1,2})",
    "S": r"(?P<S>[0-9]{1,2})",
    "f": r"(?P<f>[0-9]+)",
    "z": rf"(?P<z>[Zz]|{_OFFSET})",
    # Zones without letters are called -03; Java has GMT+02:00, and names of the IANA database.
    "Z": rf"(?P<Z>[A-Za-z]{{1,7}}|(?:UTC|GMT)?{_OFFSET}|[A-Z][A-Za-z]{{1,20}}(?:/[A-Za-z0-9_+-]{{1,30}}){{1,2}})",
    "a": r"[A-Za-z]{3,9}",
    "%": "%",
}
_DIRECTIVES |= {"B": _DIRECTIVES["b"], "h": _DIRECTIVES["b"], "e": _DIRECTIVES["d"], "A": _DIRECTIVES["a"]}
_SHORTHANDS = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}

_ZONE = r"(?: ?(?:%z(?:\[[A-Za-z0-9_/+-]+\])?|%Z))?"  # with the zone's name behind, RFC 9557
_CLOCK = rf"%H:%M:%S(?:[.,]%f)?{_ZONE}"
_NAMED = {
    "rfc3339": (rf"%Y-%m-%d[Tt ]{_CLOCK}",),
    "rfc3164": (
        rf"(?:%a,? )?%b +%d {_CLOCK}",
        rf"(?:%a,? )?%b +%d,? %Y {_CLOCK}",
        rf"(?:%a,? )?%Y %b +%d {_CLOCK}",
        rf"(?:%a,? )?%b +%d {_CLOCK} %Y",
    ),
}


def patterns_of(name: str) -> list[re.Pattern[str]]:
    """What a time of the format may look like, to be tried in order; ValueError: there is no such format."""
    if name in _NAMED:
        return [_compile(name, source, literal=False) for source in _NAMED[name]]
    if "%" not in name:
        known = ", ".join(map(repr, [*_NAMED, *UNIX]))
        raise ValueError(f"{name!r} is not a time format: expected {known} or directives such as '{CLF}'")
    source = name
    for short, meaning in _SHORTHANDS.items():
        source = source.replace(short, meaning)
    return [_compile(name, source, literal=True)]


def _compile(name: str, source: str, *, literal: bool) -> re.Pattern[str]:
    """``literal``: what stands between the directives means itself; a blank, any number of them."""
    pattern = ""
    for part in re.findall(r"%.?|\s+|[^%\s]+", source, re.DOTALL):
        if part[0] == "%":
            if part[1:] not in _DIRECTIVES:
                raise ValueError(f"{part!r} is not known, in {name!r}; known: %{' %'.join(_DIRECTIVES)}")
            pattern += _DIRECTIVES[part[1:]]
        elif literal:
            pattern += " +" if part.isspace() else re.escape(part)
        else:
            pattern += part
    try:
        form = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"a directive stands twice in {name!r} ({error.msg})") from None
    groups = form.groupindex.keys()
    if not ("j" in groups or ("d" in groups and {"m", "b"} & groups)):
        raise ValueError(f"{name!r} has no day: expected %d with %m or %b, or %j")
    if ("I" in groups) != ("p" in groups):
        raise ValueError(f"{name!r} has one of %I and %p, which belong together")
    return form
