"""Who may ask: the token that stands in the state directory, and which pages of a browser."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import stat
from collections.abc import Sequence

from tailrace.pipeline import disk
from tailrace.pipeline.errors import StateError

TOKEN_NAME = "token"  # noqa: S105  the file's name
LONGEST_TOKEN = 1000  # bytes
_OTHERS = stat.S_IRWXO | stat.S_IWGRP  # whoever made the file for a group to read has meant it
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/\[\]@]+)(?::\d{1,5})?")
_OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site; none: somebody has typed the address


def read_token(directory: str) -> str:
    """What the page asks for; empty: there is none, or this user may not read it."""
    try:
        with open(os.path.join(directory, TOKEN_NAME), encoding="ascii") as file:
            return file.read(LONGEST_TOKEN).strip()
    except (OSError, ValueError):
        return ""


def token_of(directory: str) -> str:
    """The daemon's own. What others may have read or put there is none: a new one takes its place. StateError: the disk
    does not take it. ``directory``: resolved."""
    path = os.path.join(directory, TOKEN_NAME)
    try:
        found = disk.status(path)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    except OSError:
        ours = False
    return (read_token(directory) if ours else "") or _new_token(path)


def _new_token(path: str) -> str:
    """Under its name it is never half written."""
    token, temporary = secrets.token_urlsafe(24), f"{path}.new"
    try:
        if os.path.lexists(temporary):
            disk.unlink(temporary)
        descriptor, _ = disk.create(temporary, 0o600)
        try:
            disk.write(descriptor, memoryview(f"{token}\n".encode()), 0, temporary)
        finally:
            os.close(descriptor)
        disk.rename(temporary, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error
    return token


def why_refused(
    hosts: Sequence[str], origin: str | None, site: str | None, *, loopback: bool, shown_anywhere: bool
) -> str:
    """Why a request is refused that a page of another site has sent, or a name that was made to lead here; empty: it is
    not. These are its headers Host, Origin and Sec-Fetch-Site. ``loopback``: it came to such an address.
    ``shown_anywhere``: any page may show what it asks for, as one shows an image."""
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return "expected one header Host, with a name or an address"
    if loopback and not _is_this_machine(match[1]):
        return "the name in the address is not this machine's: expected localhost or 127.0.0.1"
    if origin is not None and origin.lower() not in (f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"):
        return "a page of another site may not ask here"
    if not shown_anywhere and site is not None and site not in _OWN_SITE:
        return "a page of another site may not ask here"
    return ""


def is_loopback(address: str) -> bool:
    """Of an address in figures."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return ip.is_loopback or (mapped is not None and mapped.is_loopback)


def _is_this_machine(name: str) -> bool:
    return name.lower() == "localhost" or is_loopback(name.strip("[]"))
