"""Time zones: by name, this machine's own, and the abbreviations that logs write behind a time, such as ``CEST``."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCAL = "local"
_LOCAL_ZONE = Path("/etc/localtime")

UNIVERSAL = frozenset({"UTC", "GMT", "Z", "UT", "UCT", "ZULU"})
ABBREVIATIONS = (
    "UTC|GMT|Z|UT|UCT|ZULU|"
    # What the zones of the IANA database have been called since 1990 ...
    "ACDT|ACST|ADT|AEDT|AEST|AKDT|AKST|AST|AWDT|AWST|BST|CAT|CDT|CEST|CET|CST|EAT|EDT|EEST|EET|EST|GST|HDT|HKT|HST|"
    "IDT|IST|JST|KST|MDT|MEST|MET|MSD|MSK|MST|NDT|NST|NZDT|NZST|PDT|PKST|PKT|PST|SAST|SST|WAT|WEST|WET|WIB|WITA|WIT|"
    # ... and others that devices write.
    "ART|BRST|BRT|CEDT|CLST|CLT|COT|EADT|EAST|ECT|GET|HKST|ICT|KDT|MESZ|MEZ|MYT|NZT|PET|PHT|SGT|TRT|UYT|VET|YEKT"
)
"""Words that name a zone where one of them stands behind a time, as a pattern. Which zone it is, is known only where
`timezone` has it."""

_SEASONS = range(30, 366, 30)  # days: a zone's other names are found within a year
_WHOLE_DAY = timedelta(days=1)
_OFFSET = re.compile(r"(?:UTC|GMT)? ?([+-])0?([0-9]{1,2})(?::?00)?")


class UnknownZoneError(ValueError):
    """An abbreviation that neither means UTC nor belongs to the zone of the configuration."""


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; ``local``: this machine's. ValueError: there is none."""
    if name == LOCAL:
        return _local()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "expected 'local' or a name such as 'UTC' or 'Europe/Berlin'"
        if (match := _OFFSET.fullmatch(name)) and int(match[2]) in range(1, 13):
            turned = {"+": "-", "-": "+"}[match[1]]
            same = f"Etc/GMT{turned}{int(match[2])}"
            raise ValueError(
                f"{name!r} is an offset; {expected}; {same!r}, with its sign turned, is always so"
            ) from None
        raise ValueError(
            f"{name!r} is unknown here; {expected} (systems without a zone database need the package tzdata)"
        ) from None


def _local() -> ZoneInfo:
    """As the C library finds it: by the variable TZ, else the file /etc/localtime, else UTC."""
    name = os.environ.get("TZ")
    if name is None and not _LOCAL_ZONE.exists():
        return ZoneInfo("UTC")
    name = str(_LOCAL_ZONE) if name is None else name.removeprefix(":") or "UTC"
    try:
        if not name.startswith("/"):
            return ZoneInfo(name)
        with Path(name).open("rb") as file:
            return ZoneInfo.from_file(file, key=LOCAL)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        where = f"the variable TZ is {os.environ['TZ']!r}" if "TZ" in os.environ else f"{_LOCAL_ZONE} cannot be read"
        raise ValueError(f"'local' does not tell a zone: {where}; give its name, such as 'Europe/Berlin'") from None


def at_abbreviation(local: datetime, word: str, zone: ZoneInfo) -> datetime:
    """The naive time ``local`` in the zone that ``word`` means: UTC, or one of the names that ``zone`` has over the
    year. The name also tells which of two is meant where a clock change repeats an hour."""
    name = word.upper()
    if name in UNIVERSAL:
        return local.replace(tzinfo=UTC)
    for fold in (0, 1):
        aware = local.replace(tzinfo=zone, fold=fold)
        if str(aware.tzname()).upper() == name:
            return aware
    for days in _SEASONS:  # a clock that does not follow the season keeps the name of the other one
        for other in (local - days * _WHOLE_DAY, local + days * _WHOLE_DAY):
            aware = other.replace(tzinfo=zone)
            if str(aware.tzname()).upper() == name:
                return local.replace(tzinfo=timezone(aware.utcoffset() or timedelta(0)))
    raise UnknownZoneError(
        f"{word!r} is not a name of the zone {zone.key!r}; set timezone to the zone that the log is written in"
    )


def at_name(local: datetime, name: str) -> datetime:
    """The naive time ``local`` in a zone of the IANA database."""
    try:
        return local.replace(tzinfo=ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZoneError(f"there is no zone {name!r}") from None


def at_offset(text: str) -> timezone:
    """The zone of ``Z``, ``+0100``, ``+01:00`` or ``-03``; ValueError: there is none."""
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if text[0] == "-" else offset)
