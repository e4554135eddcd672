"""Small databases in MaxMind's format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

CITY = {
    "city": {"names": {"en": "Springfield", "de": "Springfeld"}},
    "continent": {"code": "NA"},
    "country": {"iso_code": "US", "names": {"en": "United States"}},
    "subdivisions": [{"iso_code": "OR", "names": {"en": "Oregon"}}, {"iso_code": "X"}],
    "postal": {"code": "97477"},
    "location": {"latitude": 44.25, "longitude": -123.5, "time_zone": "America/Los_Angeles", "metro_code": 801},
}


def write_database(path: Path, kind: str, records: Mapping[str, Any], version: int = 6) -> Path:
    writer = MMDBWriter(version, kind, languages=["en", "de"], ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    other = path.with_suffix(".new")
    writer.to_db_file(str(other))
    other.replace(path)
    return path
