"""Which files the globs match now. A directory that cannot be listed is told apart from one that is empty.

``*``, ``?`` and ``[...]`` stay inside one name, ``**`` is any number of directories; as in a shell, none of them
matches a leading dot. Links are followed, each directory once. Everything is bytes: names need not be UTF-8.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What a name that is no file any more, or a link to nowhere, answers: not a failure of the scan."""

_WILD = re.compile(rb"[*?[]")
_NAME = r"(?:[\xc0-\xf7][\x80-\xbf]+|[^/])"  # one character of a name: of UTF-8, else a byte


@dataclass(slots=True)
class Scan:
    """What one look found."""

    found: dict[bytes, os.stat_result] = field(default_factory=dict)  # by path, no directories
    failed: dict[bytes, str] = field(default_factory=dict)  # directories that could not be looked at, and why
    whole: bool = True  # False: a directory that could be listed before could not be now

    def covers(self, path: bytes) -> bool:
        """Whether the scan would have seen a file at this path: no directory above it failed."""
        return not any(path.startswith(directory.rstrip(b"/") + b"/") for directory in self.failed)


class Finder:
    """Expands the patterns (absolute paths). ``exclude`` patterns hit a whole path or a directory above it; one without
    a slash hits a name, wherever it is."""

    def __init__(self, patterns: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._patterns = [os.path.abspath(os.fsencode(pattern)) for pattern in patterns]
        self._excluded = _any(_exclusion(os.fsencode(pattern)) for pattern in exclude)
        self._matching = _any(_path_regex(pattern, hidden=False) for pattern in self._patterns)
        self._names: dict[bytes, re.Pattern[bytes]] = {}
        self._listed: set[bytes] = set()  # directories that could be listed at some time

    def bases(self) -> list[tuple[bytes, bool]]:
        """The directories to watch, each with: directories below it too?"""
        found: dict[bytes, bool] = {}
        for pattern in self._patterns:
            base, rest = _split(pattern)
            found[base] = found.get(base, False) or len(rest) > 1
        return list(found.items())

    def matches(self, path: bytes) -> bool:
        """Whether a file at this path is one of those asked for."""
        return self._matching.fullmatch(path) is not None and not self._excludes(path)

    def scan(self) -> Scan:
        """Look at everything now."""
        walk = _Walk(self._listed)
        for pattern in self._patterns:
            base, rest = _split(pattern)
            self._expand(walk, base, rest)
        if self._excluded.pattern != _NEVER:
            walk.scan.found = {path: st for path, st in walk.scan.found.items() if not self._excludes(path)}
        self._listed = {directory for directory in walk.listings if directory not in walk.scan.failed} | {
            directory for directory in self._listed if directory in walk.scan.failed
        }
        return walk.scan

    def name_of(self, directory: bytes, inode: int) -> bytes | None:
        """Where in this directory a file with this inode number is, whatever its name."""
        try:
            with os.scandir(directory) as entries:
                return next((entry.path for entry in entries if entry.inode() == inode), None)
        except OSError:
            return None  # whoever asks goes on without

    def _excludes(self, path: bytes) -> bool:
        return self._excluded.fullmatch(path) is not None

    def _expand(self, walk: _Walk, base: bytes, rest: list[bytes]) -> None:
        """Follow one pattern down. Directories that are links wait until the others are done, so that a directory with
        several ways to it is known by its own one; each (directory, rest of the pattern) is entered once."""
        entered: set[tuple[int, int, int]] = set()
        now = [(base, 0)]
        links: list[tuple[bytes, int]] = []
        while now or links:
            directory, depth = now.pop() if now else links.pop(0)
            if b"**" in rest:
                key = walk.key(directory)
                if key is None or (*key, depth) in entered:
                    continue
                entered.add((*key, depth))
            part, last = rest[depth], depth == len(rest) - 1
            if part == b"**":
                now.append((directory, depth + 1))
                again = depth
            elif last:
                self._match_files(walk, directory, part)
                continue
            else:
                again = depth + 1
            if part != b"**" and not _WILD.search(part):
                now.append((os.path.join(directory, part), again))
                continue
            name = self._name(b"*" if part == b"**" else part)
            for entry in walk.list(directory):
                if name.fullmatch(entry.name) and walk.is_directory(entry) and not self._excludes(entry.path):
                    (links if entry.is_symlink() else now).append((entry.path, again))

    def _match_files(self, walk: _Walk, directory: bytes, part: bytes) -> None:
        found = walk.scan.found
        if not _WILD.search(part):
            path = os.path.join(directory, part)
            try:
                st = os.stat(path)
            except OSError as error:
                walk.failure(directory, error)
            else:
                if not stat.S_ISDIR(st.st_mode):
                    found[path] = st
            return
        matches = self._name(part).fullmatch
        for entry in walk.list(directory):
            if matches(entry.name):
                try:
                    st = entry.stat()
                except OSError as error:
                    walk.failure(_whereabouts(entry), error)
                    continue
                if not stat.S_ISDIR(st.st_mode):
                    found[entry.path] = st

    def _name(self, part: bytes) -> re.Pattern[bytes]:
        known = self._names.get(part)
        if known is None:
            known = self._names[part] = re.compile(_part_regex(part, hidden=False).encode("latin-1"), re.DOTALL)
        return known


class _Walk:
    """One scan under way: each directory is listed once, whatever number of patterns lead there."""

    def __init__(self, listed_before: set[bytes]) -> None:
        self.scan = Scan()
        self.listings: dict[bytes, list[os.DirEntry[bytes]]] = {}
        self._listed_before = listed_before

    def list(self, directory: bytes) -> list[os.DirEntry[bytes]]:
        listing = self.listings.get(directory)
        if listing is None:
            listing = []
            try:
                with os.scandir(directory) as entries:
                    listing = list(entries)
            except OSError as error:
                listing = []  # half a listing says nothing about the rest
                self.failure(directory, error)
            self.listings[directory] = listing
        return listing

    def key(self, directory: bytes) -> tuple[int, int] | None:
        try:
            st = os.stat(directory)
        except OSError as error:
            self.failure(directory, error)
            return None
        return st.st_dev, st.st_ino

    def is_directory(self, entry: os.DirEntry[bytes]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:
            self.failure(_whereabouts(entry), error)
            return False

    def failure(self, directory: bytes, error: OSError) -> None:
        """``directory``, or a name in it, could not be looked at."""
        if error.errno in _GONE:
            return
        where, why = directory, error.strerror or str(error)
        if error.errno == errno.EACCES:
            closed = closed_directory(directory)
            where, why = closed or directory, f"{why}: it lacks {'search (+x)' if closed else 'read (+r)'} permission"
        self.scan.failed[where] = why
        if any(known == where or known.startswith(where.rstrip(b"/") + b"/") for known in self._listed_before):
            self.scan.whole = False


def _whereabouts(entry: os.DirEntry[bytes]) -> bytes:
    """The directory that has to be searched for it; of a link, the one it leads into."""
    return os.path.dirname(os.path.realpath(entry.path) if entry.is_symlink() else entry.path)


def closed_directory(directory: bytes) -> bytes | None:
    """The topmost directory on the way, or itself, that may not be searched."""
    at = b"/"
    for part in [b"", *directory.split(b"/")]:
        at = os.path.join(at, part)
        if not os.access(at, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return at.rstrip(b"/") or b"/"
    return None


def _split(pattern: bytes) -> tuple[bytes, list[bytes]]:
    """The literal directory, and the parts below it (at least the file's name)."""
    parts = pattern.split(b"/")[1:]
    wild = next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    wild = min(wild, len(parts) - 1)
    rest = parts[wild:]
    return b"/" + b"/".join(parts[:wild]), [*rest, b"*"] if rest[-1] == b"**" else rest


_NEVER = b"(?!)"


def _any(regexes: Iterable[str]) -> re.Pattern[bytes]:
    joined = "|".join(f"(?:{regex})" for regex in regexes)
    return re.compile(joined.encode("latin-1") or _NEVER, re.DOTALL)


def _exclusion(pattern: bytes) -> str:
    if b"/" not in pattern:
        return f".*/{_part_regex(pattern, hidden=True)}(?:/.*)?"
    return _path_regex(os.path.abspath(pattern), hidden=True) + "(?:/.*)?"


def _path_regex(pattern: bytes, *, hidden: bool) -> str:
    regex = ""
    parts = pattern.split(b"/")[1:]
    directory = "[^/]+/" if hidden else r"(?!\.)[^/]+/"
    for index, part in enumerate(parts):
        if index == 0:
            regex = "/"
        last = index == len(parts) - 1
        if part != b"**":
            regex += _part_regex(part, hidden=hidden) + ("" if last else "/")
        else:
            regex += f"(?:{directory})*" + (("" if hidden else r"(?!\.)") + "[^/]+" if last else "")
    return regex


def _part_regex(part: bytes, *, hidden: bool) -> str:
    """One component of a glob; each byte is one character of the regex (latin-1)."""
    text = part.decode("latin-1")
    regex = "" if hidden or text[:1] not in ("*", "?", "[") else r"(?!\.)"
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        close = text.find("]", at + (2 if text[at : at + 1] == "!" else 1)) if character == "[" else -1
        if character == "*":
            regex += "[^/]*"
        elif character == "?":
            regex += _NAME
        elif close >= 0:
            regex += _class_regex(text[at:close])
            at = close + 1
        else:
            regex += re.escape(character)
    return regex


def _class_regex(inside: str) -> str:
    """What stands between ``[`` and ``]``. A range that runs backwards holds nothing, as in a shell."""
    negated = inside[0] == "!"
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:])
    try:
        re.compile(f"[{members}]")
    except re.error:
        return "[^/]" if negated else "(?!)"
    return f"[^/{members}]" if negated else f"[{members}]"
