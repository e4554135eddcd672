"""What a user says about an HTTP server: where it is, who we are, and which certificates hold. No secret is printed."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from tailrace.pipeline.keys import FilePath, Problems, Text

OURS = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}
"""Header fields that follow from the request itself."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_UNSAFE = re.compile(r"[^\x21-\x7e]")


@dataclass(slots=True, frozen=True)
class Basic:
    """``user`` and ``password``, sent with each request. Write the password as ``"${VARIABLE}"``."""

    user: Annotated[str, Text()]
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.user:
            raise ValueError("user: must not hold a colon, which ends the name in a request")

    def header(self) -> str:
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()

    def secrets(self) -> list[str]:
        return [self.header().removeprefix("Basic "), self.password]


@dataclass(slots=True, frozen=True)
class Bearer:
    """``token``, sent with each request. Write it as ``"${VARIABLE}"``."""

    token: Annotated[str, Text()] = field(repr=False)

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self.token):
            raise ValueError(
                "token: holds a blank, a control character or one that is not ASCII: no header can carry it"
            )

    def header(self) -> str:
        return f"Bearer {self.token}"

    def secrets(self) -> list[str]:
        return [self.token]


@dataclass(slots=True, frozen=True)
class Tls:
    """Which certificates hold, for an ``https`` endpoint. The files are in PEM.

    ``ca_file`` takes the place of the system's authorities. ``cert_file`` (with ``key_file``, if the key is not in it)
    is our own certificate. ``server_name`` is the name in the server's certificate, if it is not that of the endpoint.
    ``verify = false`` takes any certificate.
    """

    ca_file: Annotated[str, FilePath()] = ""
    cert_file: Annotated[str, FilePath()] = ""
    key_file: Annotated[str, FilePath()] = ""
    verify: bool = True
    server_name: str = ""

    def __post_init__(self) -> None:
        problems = Problems()
        if self.key_file and not self.cert_file:
            problems.add("key_file", "needs cert_file, the certificate that it is the key of")
        if not self.verify and (self.ca_file or self.server_name):
            problems.add("verify", "is false, so ca_file and server_name would not be looked at: leave them out")
        problems.check()


@dataclass(slots=True, frozen=True)
class Endpoint:
    """A checked URL; ValueError. ``name`` is for messages: without the query, which may hold a secret."""

    tls: bool
    host: str
    port: int
    target: str  # path and query
    name: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        expected = 'expected a URL such as "https://logs.example:8443/ingest"'
        if found := _UNSAFE.search(url):
            raise ValueError(f"holds {found[0]!r}, {expected} with everything unusual percent-encoded")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"begins with {parts.scheme or 'no scheme'!r}, {expected}")
        if "@" in parts.netloc:
            raise ValueError(
                'holds a name or password before the "@": write them as auth = { user = ..., password = ... }'
            )
        if parts.fragment:
            raise ValueError('holds a "#", and what stands behind it is never sent')
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ValueError(f"has a port that is not a number from 1 to 65535, {expected}") from None
        if not parts.hostname:
            raise ValueError(f"names no host, {expected}")
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        return cls(parts.scheme == "https", parts.hostname, port, target, f"{parts.scheme}://{parts.netloc}{path}")


def check_headers(headers: Mapping[str, str], taken: Mapping[str, str]) -> None:
    """ValueError, without the values: they may be secrets. ``taken``: names in small letters, and what sets them."""
    problems = Problems()
    names: set[str] = set()
    for name, value in headers.items():
        small = name.lower()
        if not _TOKEN.fullmatch(name):
            problems.add("", f"headers has {name!r}, which is not the name of a header field")
        elif small in OURS:
            problems.add(f"headers.{name}", "follows from the request and cannot be set")
        elif small in taken:
            problems.add(f"headers.{name}", f"is set by `{taken[small]}`")
        elif small in names:
            problems.add(f"headers.{name}", "is there twice: upper and lower case do not differ")
        elif not _VALUE.fullmatch(value):
            problems.add(f"headers.{name}", "holds a line break or another character that a header cannot carry")
        names.add(small)
    problems.check()


def check_header_name(name: str) -> None:
    if not _TOKEN.fullmatch(name) or name.lower() in OURS:
        raise ValueError(f"is {name!r}, expected the name of a header field of its own")
