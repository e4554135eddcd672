"""The log files of a random life, and beside them what is known of each line: where it is, whether it must arrive.

A line must arrive as long as a file under a watched name holds it. When the last one goes, it must arrive all the same
if it is durable; if the process has it already, it must as long as that process lives; otherwise it may or may not.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .audit import Durable
from .plant import MAX_LINE, Plant

Kind = Literal["plain", "drop", "twice", "raise", "bad", "long", "empty"]
LINK = "c.log"


@dataclass(eq=False)
class Line:
    """``at``: its offset in every generation that holds it. ``must``: it has to arrive, unless something voids that."""

    number: int
    kind: Kind
    both: bool  # both sinks take it
    text: bytes  # with its newline
    at: int
    root: int  # the generation it was first written to
    must: bool = True

    @property
    def end(self) -> int:
        return self.at + len(self.text)

    @property
    def dead(self) -> bool:
        """It becomes a dead letter."""
        return self.kind in ("raise", "bad", "long")

    @property
    def untraced(self) -> bool:
        """Nothing is left of it but numbers."""
        return self.kind in ("drop", "empty")


@dataclass(eq=False)
class Generation:
    """What one file held, from when it was empty until it was truncated or removed."""

    number: int
    content: bytearray = field(default_factory=bytearray)
    lines: list[Line] = field(default_factory=list)
    half: Line | None = None  # begun: what there is of it stands at the end of the content
    living: bool = True  # a name that is watched leads to it, or the state will find it again


@dataclass(eq=False)
class Node:
    """A file as the system knows it: an inode."""

    path: Path  # its own, where a link leads to it
    inode: int
    now: Generation


class World:
    """``names``: what there is under each watched name."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.logs = plant.logs
        self.targets = plant.logs / "targets"
        self.targets.mkdir()
        self.names: dict[str, Node] = {}
        self.generations: list[Generation] = []
        self.by_inode: dict[int, list[Generation]] = {}
        self.by_text: dict[bytes, Line] = {}  # without the newline
        self.halves: set[tuple[bytes, int]] = set()  # behind the last newline of files that are gone; its end
        self.in_flight: set[Line] = set()  # gone from their file, but handed out: a rewind voids them
        self.held: set[Line] = set()  # in files without a name that are open: the process's end voids them
        self.moved: list[Node] = []  # out of the watched names, and perhaps back some time
        self.copy: Node | None = None  # it may not be known for a copy yet
        self._numbers = self._ticks = self._suffixes = 0

    # Writing.

    def line(self, kind: Kind, size: int, generation: Generation, exact: int | None = None) -> Line:
        """The next one of that generation; ``size``: of its padding, ``exact``: of the whole."""
        self._numbers += 1
        number, at, both = self._numbers, len(generation.content), self._numbers % 3 != 0
        if kind == "empty" and (not at or exact is not None):
            kind = "plain"  # what begins with an empty line is told from nothing else that does
        pad = "x" * (size if kind != "long" else MAX_LINE + size)
        for _ in range(2):
            if kind in ("bad", "long"):
                text = f"{kind} {number} {generation.number} {at} {pad}"
            elif kind == "empty":
                text = ""
            else:
                do = "" if kind == "plain" else kind
                fields = {"n": number, "g": generation.number, "at": at, "do": do, "both": both, "pad": pad}
                text = json.dumps(fields, separators=(",", ":"))
            if exact is None:
                break
            pad = "x" * (len(pad) + exact - len(text) - 1)
        return Line(number, kind, both, text.encode() + b"\n", at, generation.number)

    def append(self, name: str, kinds: list[Kind], size: int) -> None:
        """Whole lines, the rest of one that was begun first; the file is made where it is missing."""
        self._append(self.node(name), kinds, size)

    def _append(self, node: Node, kinds: list[Kind], size: int) -> None:
        data = self._rest(node.now)
        for kind in kinds:
            line = self.line(kind, size, node.now)
            data += line.text
            self._whole(node.now, line, line.text)
        self._write(node, data)

    def append_half(self, name: str, kind: Kind, share: float) -> None:
        node = self.node(name)
        data = self._rest(node.now)
        line = self.line(kind, 30, node.now)
        part = line.text[: max(1, int((len(line.text) - 2) * share))]
        node.now.half = line
        node.now.content += part
        self._write(node, data + part)

    def refill(self, name: str, size: int) -> None:
        """Exactly so many bytes, which are others than stood there before."""
        node = self.names[name]
        data = b""
        while size:
            line = self.line("plain", 0, node.now, exact=size if size < 200 else 100)
            data += line.text
            self._whole(node.now, line, line.text)
            size -= len(line.text)
        self._write(node, data)

    def _rest(self, generation: Generation) -> bytes:
        half, generation.half = generation.half, None
        if half is None:
            return b""
        rest = half.text[len(generation.content) - half.at :]
        self._whole(generation, half, rest)
        return rest

    def _whole(self, generation: Generation, line: Line, data: bytes) -> None:
        generation.content += data
        generation.lines.append(line)
        if line.kind != "empty":
            self.by_text[line.text[:-1]] = line

    def _write(self, node: Node, data: bytes) -> None:
        with node.path.open("ab") as file:
            file.write(data)
        self.touch(node)

    def touch(self, node: Node) -> None:
        """Every change has a time of its own: those of the system are some milliseconds apart."""
        self._ticks += 1
        os.utime(node.path, ns=(self._ticks * 10_000_000,) * 2)
        for name, one in self.names.items():
            if one is node:
                self.plant.hint(self.logs / name)

    # Files.

    def node(self, name: str) -> Node:
        """What is there, or a new empty file."""
        if name not in self.names:
            path = self.logs / name
            if name == LINK:
                path = self.targets / f"t{self._suffix()}"
            path.touch()
            if name == LINK:
                new = self.logs / "c.new"
                new.symlink_to(path)
                new.rename(self.logs / name)
            self.names[name] = self._node(path)
        return self.names[name]

    def _node(self, path: Path) -> Node:
        inode = path.stat().st_ino
        return Node(path, inode, self._generation(inode))

    def _generation(self, inode: int) -> Generation:
        generation = Generation(len(self.generations))
        self.generations.append(generation)
        self.by_inode.setdefault(inode, []).append(generation)
        return generation

    def _suffix(self) -> int:
        self._suffixes += 1
        return self._suffixes

    def rename(self, name: str, to: str) -> None:
        """Within the watched names; what was there is removed."""
        if to in self.names:
            self.remove(to)
        node = self.names.pop(name)
        node.path = node.path.rename(self.logs / to)
        self.names[to] = node
        self.plant.hint(self.logs / name)
        self.plant.hint(self.logs / to)

    def rotate(self, name: str, most: int = 2) -> None:
        for number in range(most, -1, -1):
            old = f"{name}.{number}" if number else name
            if old in self.names:
                self.rename(old, f"{name}.{number + 1}")
        if f"{name}.{most + 1}" in self.names:
            self.remove(f"{name}.{most + 1}")

    def remove(self, name: str) -> None:
        node = self.names.pop(name)
        self._unnamed(node)
        node.path.unlink()
        self.plant.hint(self.logs / name)

    def move_out(self, name: str) -> None:
        """Under a name that is not watched, in the same directory: there the next start looks for it."""
        node = self.names.pop(name)
        durable = Durable(self.plant.home)
        ended = [row.ended for row in durable.rows if row.inode == node.inode][-1:]  # then it is not looked for
        if self.plant.few or ended == [True] or durable.lines(self).isdisjoint(node.now.lines):
            self._unnamed(node)
        else:
            self._gone_half(node.now)
        self.moved.append(node)
        node.path = node.path.rename(self.logs / f"moved-{self._suffix()}")
        self.plant.hint(self.logs / name)

    def move_back(self, name: str) -> None:
        """What was moved out last; what its last line lacks was taken for its end, so it is not to be completed."""
        node = self.moved.pop()
        if node.now.half is None:
            node.now.living = True
            node.path = node.path.rename(self.logs / name)
            self.names[name] = node
            self.plant.hint(self.logs / name)

    def swap_link(self, late: list[Kind]) -> None:
        """The link leads to a new file from one moment to the next; late lines still come to the old one."""
        node = self.names.pop(LINK)
        self.node(LINK)
        self.plant.hint(self.logs / LINK)
        if late:
            self._append(node, late, 10)
        self._unnamed(node)

    def truncate(self, name: str) -> None:
        node = self.names[name]
        was, node.now = node.now, self._generation(node.inode)
        was.half = None
        self._bury(was, {line for line in was.lines if line.text[:-1] in self.plant.taken}, self.in_flight)
        os.truncate(node.path, 0)
        self.touch(node)

    def reuse(self, name: str, to: str) -> None:
        """Its inode is that of a new file under another name."""
        self.truncate(name)
        self.append(name, ["plain", "bad"], 10)
        self.rename(name, to)

    def begin_copy(self, name: str) -> Node:
        original = self.names[name]
        name = f"{name}-{self._suffix()}"
        path = self.logs / name
        path.touch()
        copy = self._node(path)
        copy.now.lines = list(original.now.lines)
        copy.now.content = bytearray(original.now.content)
        copy.now.half = original.now.half
        self.names[name] = self.copy = copy
        return copy

    def copy_until(self, original: Node, copy: Node, stop: int) -> None:
        with copy.path.open("ab") as file:
            file.write(original.now.content[file.tell() : stop])
        self.touch(copy)

    def registered(self, node: Node) -> bool:
        """The process has decided what it is, and given it a file id."""
        files = self.plant.tail._registry.living.values() if self.plant.tail is not None else ()
        paths = {os.fsencode(self.logs / name) for name, one in self.names.items() if one is node}
        known = (
            file for file in files if file.inode == node.inode and file.path in paths
        )  # (else it may be one before)
        return any(file.file_id and not file.undecided for file in known)

    @property
    def settled(self) -> bool:
        """No copy waits for being known as one. (If its original goes before that, nobody can know it any more.)"""
        if self.copy is not None and self.registered(self.copy):
            self.copy = None
        return self.copy is None

    # What must arrive.

    def _gone_half(self, generation: Generation) -> None:
        if generation.half is not None:
            self.halves.add((bytes(generation.content[generation.half.at :]), len(generation.content)))

    def _unnamed(self, node: Node) -> None:
        """No watched name leads there any more; a process that has it open reads on."""
        self._gone_half(node.now)
        tail = self.plant.tail
        held = tail is not None and any(file.inode == node.inode for file in tail._descriptors._open)
        safe = set(node.now.lines) if held and not self.plant.few else set()
        self._bury(node.now, safe, self.held)

    def _bury(self, generation: Generation, safe: set[Line], where: set[Line]) -> None:
        """It is gone but for its lines in ``safe``, which the process has, in that way."""
        generation.living = False
        elsewhere = {line for other in self.generations if other.living for line in other.lines}
        durable = Durable(self.plant.home).lines(self)
        for line in generation.lines:
            if line in durable or line in elsewhere:
                continue
            if line in safe:
                where.add(line)
            else:
                line.must = False

    def rewound(self) -> None:
        self._void(self.in_flight)

    def lost_sight(self, inodes: set[int]) -> None:
        """Of files that had no file id when the source was exchanged: without a name, nobody finds them again."""
        for inode in inodes:
            self.held -= (gone := set(self.by_inode[inode][-1].lines) & self.held)
            self._void(gone)
        inodes.clear()

    def process_ended(self, *, complete: bool) -> None:
        """``complete``: everything that was read is committed."""
        self._void(self.held)
        if not complete:
            self._void(self.in_flight)

    def _void(self, lines: set[Line]) -> None:
        durable = Durable(self.plant.home).lines(self)
        for line in lines - durable:
            line.must = False
        lines.clear()
