"""``enrich.geoip``: where an address is, or whose, by a database in MaxMind's format."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, FilePath, Problems, Whole
from tailrace.pipeline.stage import Refreshed
from tailrace.stages.reloaded import Reloaded
from tailrace.stages.values.addresses import Address, AddressField

if TYPE_CHECKING:
    from maxminddb import Reader

Facts = dict[str, Any]

_REMEMBERED = 1500  # bytes: what is known of an address

_PLACES: dict[str, tuple[str | int, ...]] = {
    "city_name": ("city", "names"),
    "continent_code": ("continent", "code"),
    "country_code": ("country", "iso_code"),
    "country_name": ("country", "names"),
    "region_code": ("subdivisions", 0, "iso_code"),
    "region_name": ("subdivisions", 0, "names"),
    "postal_code": ("postal", "code"),
    "latitude": ("location", "latitude"),
    "longitude": ("location", "longitude"),
    "timezone": ("location", "time_zone"),
    "metro_code": ("location", "metro_code"),
}
"""Where a database of places has what we call so; ``names`` are by language."""

_OF_PLACES = ("City", "Country", "Enterprise", "Insights", "Location")  # words in the `database_type` of those


@dataclass
class Geoip:
    """Set ``into`` to a table of what the database knows of the address in ``field``; of what it does not know, as of
    private addresses, the event goes on as it is.

    ``database`` is a file in MaxMind's format (``.mmdb``). Of places (its type says City, Country, Enterprise) it gives
    ``city_name``, ``continent_code``, ``country_code``, ``country_name``, ``region_code``, ``region_name``,
    ``postal_code``, ``latitude``, ``longitude``, ``timezone``, ``metro_code``; of any other type (ASN, ISP, Domain ...)
    what its records have at their top, under the database's names, such as ``autonomous_system_number``. Both also give
    ``network``. Names are in the language ``locale``, or in English where the place has none in it.

    The whole file is held in the memory of each worker. It is looked at every ``reload`` and read again when it has
    changed; a new one that is broken leaves the old one in use and is told in the log. ``::ffff:192.0.2.1`` is
    192.0.2.1. An event without an address goes on as it is, unless ``required``. Needs ``tailrace[geoip]``.

    Fails: ``missing_field``, ``bad_type`` (no address), both only if ``required``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.geoip"
        database = "GeoLite2-City.mmdb"  # here a small one, which knows a single network
        field = "client"
        fields = ["city_name", "country_code", "latitude", "longitude", "network"]
        required = true

    Lines::

        {"client": "192.0.2.7"}
        {"client": "198.51.100.9"}
        {"client": "shop.example.com"}
    """

    plain: ClassVar[bool] = True

    database: Annotated[str, FilePath()]  # a file such as `GeoLite2-City.mmdb`
    field: str  # the one with the address
    into: str = "geo"  # the field that takes the table
    fields: list[str] = dataclass_field(default_factory=list)  # of those above; empty: all that there are
    locale: str = "en"  # of names: one of the database's languages
    cache_size: Annotated[int, Whole(1, 10_000_000, "an address that is remembered takes about 1.5 KB")] = 10_000
    required: bool = False
    reload: Annotated[float, Duration("1s", "1d", "a look costs a system call")] = 60.0  # of `database`

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.into:
            problems.add("into", "is empty; name the field that takes what is found")
        with problems.of("database"):
            self._file = Reloaded(self.database, _open, self.reload)
        problems.check()
        self._addresses = AddressField(self.field, self._facts, self.cache_size, required=self.required)
        metadata = self._file.value.metadata()
        if _of_places(self._file.value):
            known = [*_PLACES, "network"]
            for index, name in enumerate(self.fields):
                if name not in known:
                    problems.add(f"fields[{index}]", f"found {name!r}, expected one of {', '.join(known)}")
            if metadata.languages and self.locale not in metadata.languages:
                problems.add("locale", f"found {self.locale!r}, the database has {', '.join(metadata.languages)}")
        problems.check()

    def refresh(self, now: float) -> Refreshed | None:
        done = self._file.refresh(now)
        if done is not None and not done.problem:
            self._addresses.forget()
        return done

    @property
    def held_bytes(self) -> int:
        return os.path.getsize(self.database) + self.cache_size * _REMEMBERED

    def process(self, events: list[Event]) -> list[Event | Fail]:
        into = self.into
        entries: list[Event | Fail] = []
        for event, facts in zip(events, self._addresses.known(events), strict=True):
            if isinstance(facts, Fail):
                entries.append(facts)
                continue
            if facts:
                event[into] = facts.copy()  # a later stage may change it
            entries.append(event)
        return entries

    def _facts(self, address: Address) -> Facts | None:
        reader = self._file.value
        if address.version == 6 and reader.metadata().ip_version == 4:
            return None
        record, prefix = reader.get_with_prefix_len(address)
        if not isinstance(record, dict):
            return None
        facts = _place(record, self.locale) if _of_places(reader) else _scalars(record)
        facts["network"] = str(ipaddress.ip_network((address, prefix), strict=False))
        return {name: facts[name] for name in self.fields if name in facts} if self.fields else facts


def _open(path: str) -> Reader:
    """In memory: a file that is mapped and then cut short by somebody kills the process that reads it."""
    import maxminddb

    try:
        reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    except OSError:
        raise
    except Exception as error:  # of the many that a broken file can make of its metadata
        raise ValueError(f"is not a database in MaxMind's format: {error}") from error
    try:
        for first in range(256):  # all over the file
            reader.get(ipaddress.IPv4Address(first << 24 | 0x010101))
    except Exception as error:
        raise ValueError(f"is damaged: {error}") from error
    return reader


def _of_places(reader: Reader) -> bool:
    return any(word in reader.metadata().database_type for word in _OF_PLACES)


def _place(record: Mapping[str, Any], locale: str) -> Facts:
    facts = {}
    for name, path in _PLACES.items():
        value = _at(record, path)
        if isinstance(value, dict):
            value = value.get(locale, value.get("en"))
        if value is not None:
            facts[name] = value
    return facts


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def _scalars(record: Mapping[str, Any]) -> Facts:
    return {name: value for name, value in record.items() if isinstance(value, (str, int, float))}
