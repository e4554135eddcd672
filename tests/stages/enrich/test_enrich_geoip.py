"""The stage that asks a database in MaxMind's format; the tests write small ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.stages.enrich.geoip import Geoip

from .databases import CITY, write_database

ASN = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write_database(
        tmp_path / "city.mmdb", "Test-City", {"192.0.2.0/24": CITY, "2001:db8::/32": {"country": {"iso_code": "DE"}}}
    )


def geo(stage: Geoip, address: Any) -> Any:
    (event,) = stage.process([{"ip": address}])
    return event.get("geo") if isinstance(event, dict) else event


def test_a_place(city: Path) -> None:
    assert geo(Geoip(str(city), "ip"), "192.0.2.7") == {
        "city_name": "Springfield",
        "continent_code": "NA",
        "country_code": "US",
        "country_name": "United States",
        "region_code": "OR",
        "region_name": "Oregon",
        "postal_code": "97477",
        "latitude": 44.25,
        "longitude": -123.5,
        "timezone": "America/Los_Angeles",
        "metro_code": 801,
        "network": "192.0.2.0/24",
    }


@pytest.mark.parametrize("address", ["10.0.0.1", "nonsense", "", "-", None, 7, "192.0.2." + "1" * 5000])
def test_what_is_not_in_it_goes_on_as_it_is(city: Path, address: Any) -> None:
    assert Geoip(str(city), "ip").process([{"ip": address}]) == [{"ip": address}]


def test_addresses_of_both_kinds(city: Path) -> None:
    stage = Geoip(str(city), "ip", fields=["country_code", "network"])
    assert geo(stage, "2001:db8::1%eth0") == {"country_code": "DE", "network": "2001:db8::/32"}
    assert geo(stage, "::ffff:192.0.2.1") == {"country_code": "US", "network": "192.0.2.0/24"}


def test_names_in_a_language_or_else_in_english(city: Path) -> None:
    found = geo(Geoip(str(city), "ip", locale="de"), "192.0.2.1")
    assert (found["city_name"], found["country_name"]) == ("Springfeld", "United States")


def test_each_event_has_a_table_of_its_own(city: Path) -> None:
    first, second = Geoip(str(city), "ip").process([{"ip": "192.0.2.1"}, {"ip": "192.0.2.1"}])
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["geo"] == second["geo"]
    assert first["geo"] is not second["geo"]


def test_any_other_kind_gives_what_its_records_have(tmp_path: Path) -> None:
    path = write_database(tmp_path / "asn.mmdb", "Test-ASN", {"192.0.2.0/24": ASN}, version=4)
    stage = Geoip(str(path), "ip", into="net")
    assert stage.process([{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]) == [
        {"ip": "192.0.2.1", "net": {**ASN, "network": "192.0.2.0/24"}},
        {"ip": "2001:db8::1"},  # of which a database of IPv4 knows nothing
    ]


def test_required_fails_without_an_address_and_not_for_one_that_is_unknown(city: Path) -> None:
    stage = Geoip(str(city), "ip", required=True)
    missing, wrong, unknown = stage.process([{}, {"ip": "x"}, {"ip": "10.0.0.1"}])
    assert isinstance(missing, Fail)
    assert isinstance(wrong, Fail)
    assert (missing.code, wrong.code, unknown) == ("missing_field", "bad_type", {"ip": "10.0.0.1"})


def test_a_new_file_takes_its_place_and_what_was_remembered_is_forgotten(city: Path) -> None:
    stage = Geoip(str(city), "ip", reload=1.0)
    assert geo(stage, "192.0.2.1")["country_code"] == "US"
    write_database(city, "Test-City", {"192.0.2.0/24": {"country": {"iso_code": "FR"}}})
    assert stage.refresh(0.0) is not None
    assert geo(stage, "192.0.2.1")["country_code"] == "FR"


def test_a_file_that_is_cut_short_in_place_neither_kills_nor_replaces(city: Path) -> None:
    stage = Geoip(str(city), "ip", reload=1.0)
    with city.open("r+b") as file:
        file.truncate(100)
    assert geo(stage, "192.0.2.1")["country_code"] == "US"
    done = stage.refresh(0.0)
    assert done is not None
    assert "is not a database in MaxMind's format" in done.problem
    assert geo(stage, "192.0.2.1")["country_code"] == "US"


def test_a_file_with_a_hole_in_it_is_refused(tmp_path: Path) -> None:
    path = write_database(tmp_path / "c.mmdb", "Test-City", {f"{n}.0.0.0/8": {**CITY, "n": n} for n in range(1, 200)})
    data = path.read_bytes()
    middle = data.index(b"Springfield")
    path.write_bytes(data[: middle - 200] + bytes(2000) + data[middle + 1800 :])
    with pytest.raises(ValueError, match=r"database: .*c\.mmdb: is damaged: "):
        Geoip(str(path), "ip")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fields": ["country"]}, r"fields\[0\]: found 'country', expected one of city_name"),
        ({"locale": "fr"}, "locale: found 'fr', the database has en, de"),
        ({"into": ""}, "into: is empty"),
        ({"database": "/nowhere.mmdb"}, "database: /nowhere.mmdb: cannot be read: No such file"),
        ({"database": __file__}, "database: .* is not a database in MaxMind's format"),
    ],
)
def test_wrong_options(city: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Geoip(**{"database": str(city), "field": "ip", **options})


def test_without_the_library_it_says_which(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ModuleNotFoundError) as raised:
        Geoip(str(city), "ip")
    assert raised.value.name == "maxminddb"
