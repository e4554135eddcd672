"""``enrich.cidr``: names the network that an address belongs to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Duration, FilePath, Problems
from tailrace.pipeline.stage import Refreshed
from tailrace.stages.reloaded import Reloaded
from tailrace.stages.values.addresses import Address, AddressField
from tailrace.stages.values.conversion import excerpt

REMEMBERED = 16_384  # addresses
_ADDRESS, _NETWORK = 200, 200  # bytes that one takes
_TOLD = 5  # networks that are there twice, by name

_LINE = re.compile(r"([^\s,]+)(?:\s*,\s*|\s+)(\S.*)")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass
class Cidr:
    """Set ``into`` to the label of the narrowest network that the address in ``field`` is in.

    The networks stand in ``networks`` or in the file ``path``, a line each: the network, a blank or comma, the label;
    a line that begins with ``#`` is a comment. A network that is there twice has its last label (``check`` tells). The
    file is looked at every ``reload`` and read again when it has changed; a new one that is wrong leaves the old
    networks in use and is told in the log. Replace it by renaming a finished file.

    ``::ffff:192.0.2.1`` is 192.0.2.1, and a zone (``%eth0``) does not count. Names are never looked up. An event
    without an address goes on as it is, unless ``required``.

    Fails: ``missing_field``, ``bad_type`` (no address), both only if ``required``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.cidr"
        field = "client"
        default = "elsewhere"
        required = true

        [stages.networks]
        "192.0.2.0/24" = "office"
        "192.0.2.128/25" = "guests"
        "2001:db8::/32" = "office"

    Lines::

        {"client": "192.0.2.7"}
        {"client": "192.0.2.200"}
        {"client": "2001:db8::9"}
        {"client": "198.51.100.9"}
        {"client": "shop.example.com"}
    """

    plain: ClassVar[bool] = True

    field: str  # the one with the address
    networks: dict[str, str] = dataclass_field(default_factory=dict)  # "192.0.2.0/24" = "label"
    path: Annotated[str, FilePath()] = ""  # of a file with the networks, instead of `networks`
    into: str = "network"  # the field that takes the label
    default: str | None = None  # of an address that is in none of them; without it, such an event goes on as it is
    strict: bool = True  # refuse "192.0.2.1/24", which has bits of a host; false: it means 192.0.2.0/24
    required: bool = False
    reload: Annotated[float, Duration("1s", "1d", "a look costs a system call")] = 60.0  # of `path`

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.into:
            problems.add("into", "is empty; name the field that takes the label")
        if bool(self.networks) == bool(self.path):
            problems.add("", 'give `networks = { "192.0.2.0/24" = "label" }` or the `path` of a file, and not both')
        for network in self.networks:
            with problems.of(f"networks.{network}"):
                _network(network, self.strict)
        problems.check()
        self._file: Reloaded[Networks] | None = None
        if self.path:
            with problems.of("path"):
                self._file = Reloaded(self.path, self._read, self.reload)
            problems.check()
        else:
            self._networks = Networks((_network(one, self.strict), label) for one, label in self.networks.items())
        self._addresses = AddressField(self.field, self._label, REMEMBERED, required=self.required)

    def refresh(self, now: float) -> Refreshed | None:
        done = self._file.refresh(now) if self._file else None
        if done is not None and not done.problem:
            self._addresses.forget()
        return done

    def remarks(self) -> Sequence[str]:
        twice = self._file.value.twice if self._file else []
        told = [f"{self.path}: {one}" for one in twice[:_TOLD]]
        return [*told, f"{self.path}: {len(twice) - _TOLD:,} more are there twice"] if len(twice) > _TOLD else told

    @property
    def held_bytes(self) -> int:
        return (self._file.value if self._file else self._networks).count * _NETWORK + REMEMBERED * _ADDRESS

    def process(self, events: list[Event]) -> list[Event | Fail]:
        into = self.into
        entries: list[Event | Fail] = []
        for event, label in zip(events, self._addresses.known(events), strict=True):
            if isinstance(label, Fail):
                entries.append(label)
                continue
            if label is not None:
                event[into] = label
            entries.append(event)
        return entries

    def _label(self, address: Address) -> str | None:
        networks = self._file.value if self._file else self._networks
        label = networks.find(address)
        return self.default if label is None else label

    def _read(self, path: str) -> Networks:
        with open(path, encoding="utf-8") as file:
            networks = Networks(())
            for number, line in enumerate(file, 1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                found = _LINE.fullmatch(text)
                if not found:
                    raise ValueError(f"line {number}: {excerpt(text)} has no label; expected: 192.0.2.0/24 label")
                try:
                    networks.add(_network(found[1], self.strict), found[2], f"line {number}: ")
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from error
        return networks


class Networks:
    """Labels by network. What it takes to find one depends on how many lengths of prefix there are, not on how many
    networks."""

    def __init__(self, labels: Iterable[tuple[Network, str]]) -> None:
        self.twice: list[str] = []  # what there is to say of each network that is
        self._tables: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}  # by version, bits of the host, the others
        for network, label in labels:
            self.add(network, label)

    def add(self, network: Network, label: str, where: str = "") -> None:
        host_bits = network.max_prefixlen - network.prefixlen
        tables = self._tables[network.version]
        if host_bits not in tables:  # kept sorted: the narrowest network is found first
            self._tables[network.version] = tables = dict(sorted({**tables, host_bits: {}}.items()))
        table = tables[host_bits]
        key = int(network.network_address) >> host_bits
        if key in table and where:
            self.twice.append(f"{where}{network} is there twice; its label is {label!r}, no longer {table[key]!r}")
        table[key] = label

    @property
    def count(self) -> int:
        return sum(len(table) for tables in self._tables.values() for table in tables.values())

    def find(self, address: Address) -> str | None:
        number = int(address)
        for host_bits, table in self._tables[address.version].items():
            label = table.get(number >> host_bits)
            if label is not None:
                return label
        return None


def _network(text: str, strict: bool) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'{text!r} is not a network; expected one such as "192.0.2.0/24" or "2001:db8::/32"') from None
    if strict and "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
        raise ValueError(f'{text!r} has bits of a host; write "{network}", or set strict = false')
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:  # addresses are looked up as the IPv4 ones that they are
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network
