"""The stage that names networks."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.cidr import Cidr, Networks
from tailrace.stages.values.addresses import to_address

NETWORKS = {"10.0.0.0/8": "office", "10.1.0.0/16": "lab", "10.1.2.3": "printer", "2001:db8::/32": "six"}


def label(address: Any, **options: Any) -> Any:
    (event,) = Cidr("ip", **{"networks": NETWORKS, **options}).process([{"ip": address}])
    return event.get("network") if isinstance(event, dict) else event


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.200.0.1", "office"),
        ("10.1.9.9", "lab"),
        ("10.1.2.3", "printer"),
        ("::ffff:10.1.2.3", "printer"),
        ("2001:db8::1%eth0", "six"),
        ("2001:DB8:0::1", "six"),
        ("192.0.2.1", None),
        ("2001:db9::1", None),
        ("not an address", None),
        ("1" * 100_000, None),
        ("", None),
        (167772161, None),
        (None, None),
    ],
)
def test_the_narrowest_network_counts(address: Any, expected: str | None) -> None:
    assert label(address) == expected


def test_default_is_for_addresses_only() -> None:
    assert label("192.0.2.1", default="outside") == "outside"
    assert label("nonsense", default="outside") is None


def test_events_stay_the_same_objects_and_the_field_can_be_named() -> None:
    events: list[Event] = [{"ip": "10.1.0.1", "n": 1}, {"n": 2}]
    result = Cidr("ip", NETWORKS, into="zone").process(events)
    assert result == [{"ip": "10.1.0.1", "n": 1, "zone": "lab"}, {"n": 2}]
    assert all(one is other for one, other in zip(events, result, strict=True))


def test_required_fails_without_an_address() -> None:
    missing, wrong, number, unknown = Cidr("ip", NETWORKS, required=True).process(
        [{}, {"ip": "host.example"}, {"ip": 7}, {"ip": "192.0.2.1"}]
    )
    assert isinstance(missing, Fail)
    assert isinstance(wrong, Fail)
    assert isinstance(number, Fail)
    assert (missing.code, wrong.code, number.code) == ("missing_field", "bad_type", "bad_type")
    assert wrong.why == "field 'ip': 'host.example' is not an ip address"
    assert wrong.event == {"ip": "host.example"}
    assert unknown == {"ip": "192.0.2.1"}


def test_a_mapped_network_is_the_ipv4_network_in_it() -> None:
    assert label("10.0.0.1", networks={"::ffff:10.0.0.0/104": "ten"}) == "ten"


def test_host_bits_are_refused_unless_not_strict() -> None:
    with pytest.raises(ValueError, match=r'10.0.0.1/8\' has bits of a host; write "10.0.0.0/8"'):
        Cidr("ip", {"10.0.0.1/8": "a"})
    assert label("10.9.9.9", networks={"10.0.0.1/8": "a"}, strict=False) == "a"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"networks": {"10.0.0.0/33": "a"}}, "networks.10.0.0.0/33: '10.0.0.0/33' is not a network"),
        ({}, "give `networks"),
        ({"networks": NETWORKS, "path": "/x"}, "not both"),
        ({"networks": NETWORKS, "into": ""}, "into: is empty"),
        ({"path": "/nowhere/networks"}, "path: /nowhere/networks: cannot be read: No such file"),
    ],
)
def test_wrong_options(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        Cidr("ip", **options)


def test_a_file_of_networks_is_read_again_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "networks"
    path.write_text("# ours\n10.0.0.0/8  the office\n\n10.1.0.0/16,lab\n10.1.0.0/16 , lab two\n")
    stage = Cidr("ip", path=str(path))
    assert stage.process([{"ip": "10.1.1.1"}, {"ip": "10.2.1.1"}]) == [
        {"ip": "10.1.1.1", "network": "lab two"},
        {"ip": "10.2.1.1", "network": "the office"},
    ]
    (remark,) = stage.remarks()
    assert "line 5: 10.1.0.0/16 is there twice; its label is 'lab two'" in remark
    path.write_text("10.1.1.1 host\n")
    assert stage.refresh(0.0) is not None
    assert stage.process([{"ip": "10.1.1.1"}]) == [{"ip": "10.1.1.1", "network": "host"}]  # no longer the remembered


def test_only_some_of_many_networks_that_are_there_twice_are_named(tmp_path: Path) -> None:
    path = tmp_path / "networks"
    path.write_text("10.0.0.0/8 a\n" * 101)
    *named, last = Cidr("ip", path=str(path)).remarks()
    assert (len(named), last) == (5, f"{path}: 95 more are there twice")


@pytest.mark.parametrize(
    ("text", "why"),
    [("10.0.0.0/8\n", "line 1: '10.0.0.0/8' has no label"), ("\nten ten\n", "line 2: 'ten' is not a n")],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "networks"
    path.write_text(text)
    with pytest.raises(ValueError, match=why):
        Cidr("ip", path=str(path))


NUMBERS = st.integers(0, 2**32 - 1) | st.integers(0x0A000000, 0x0A000FFF)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 32)), max_size=20), NUMBERS)
def test_it_finds_what_trying_all_networks_finds(networks: list[tuple[int, int]], number: int) -> None:
    labels = {ipaddress.ip_network((base, length), strict=False): str((base, length)) for base, length in networks}
    address = ipaddress.IPv4Address(number)
    fitting = [one for one in labels if address in one]
    narrowest = max(fitting, key=lambda one: one.prefixlen, default=None)
    assert Networks(labels.items()).find(address) == (labels[narrowest] if narrowest else None)


def test_an_address_out_of_a_log() -> None:
    assert str(to_address("fe80::1%eth0")) == "fe80::1"
    assert str(to_address("::FFFF:192.0.2.1")) == "192.0.2.1"
    with pytest.raises(ValueError, match="is not an ip address"):
        to_address("192.0.2.01")
