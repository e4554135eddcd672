"""Every mistake in a stage's keys is reported at once, each with the line of the key at fault."""
# ruff: noqa: E501 - tables stand here as they are written

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

Problems = Callable[..., list[str]]

TABLES = [
    'use = "parse.json"\nmax_depth = 0\ntime_formats = ["iso",\n"rfc3339",\n"%H"]\ntimezone = "Mars"\ntypes = { a = "integer" }',
    'use = "parse.logfmt"\nmax_keys = 0\ntime_formats = []\ntimezone = "Mars"',
    'use = "parse.syslog"\ntimezone = "Mars"',
    'use = "parse.regex"\npatterns = ["(?P<a>x)",\n"(",\n"x"]\ntime_formats = ["iso"]\ntimezone = "Mars"',
    'use = "parse.regex"\npattern = "(?P<ab>x)"\ntimezone = "Mars"\n[stages.types]\nab = "int"\nabc = "int"\nx = "int"',
    'use = "enrich.set"\nvalues = { a = 1, "" = 2 }\n[stages.expr]\nb = "1"\na = "1"\nc = "1 +"\n"x y" = "foo(1)"',
    'use = "enrich.rename"\n[stages.fields]\na = "b"\nc = "b"\nd = "d"\n"e.f" = ""',
    'use = "enrich.origin"\nfile = "x"\nhost = "x"\noffset = "event_id"',
    'use = "enrich.keep"\nfields = ["a",\n""]',
    'use = "enrich.remove"\nfields = []',
    'use = "enrich.filter"\nkeep = "1 +"',
    'use = "enrich.filter"\nkeep = "a"\ndrop = "b"',
    'use = "write.file"\npath = "~/x"\nmode = "9"',
    'use = "write.file"\npath = "out/../x"\nmode = "9"\nmax_open_files = 0',
]
FAULTS = [
    ["4 max_depth", "5 time_formats[0]", "7 time_formats[2]", "8 timezone", "9 types.a"],
    ["4 max_keys", "5 time_formats", "6 timezone"],
    ["4 timezone"],
    ["5 patterns[1]", "6 patterns[2]", "7 time_formats[0]", "8 timezone"],
    ["5 timezone", "8 types.abc", "9 types.x"],
    ["4 values", "7 expr.a", "8 expr.c", "9 expr.x y"],
    ["6 fields.c", "7 fields.d", "8 fields.e.f"],
    ["5 host", "6 offset"],
    ["5 fields[1]"],
    ["4 fields"],
    ["4 keep"],
    ["4 keep"],
    ["4 path", "5 mode"],
    ["4 path", "5 mode", "6 max_open_files"],
]
_PLACE = re.compile(r'config\.toml:(\d+): \[\[stages\]\] #1 [\w.]+: key "(.*?)": ')


@pytest.mark.parametrize(("table", "faults"), list(zip(TABLES, FAULTS, strict=True)))
def test_each_mistake_has_the_line_of_its_key(problems: Problems, table: str, faults: list[str]) -> None:
    found = problems(f'source.paths = ["a"]\n[[stages]]\n{table}\n')
    places = [place for message in found if (place := _PLACE.match(message))]
    assert len(places) == len(found), "every message names a key"
    assert [f"{place[1]} {place[2]}" for place in places] == faults
