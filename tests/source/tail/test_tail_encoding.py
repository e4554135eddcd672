"""Files in other encodings than UTF-8: whole lines at their places, however they grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
LINES = [f"{number} Datenbank ge\u00f6ffnet \u0a0a\u010a \U0001f600 of the file\n" for number in range(40)]
MARK = "\ufeff"


class Chunks:
    """What was handed out, by place."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.texts: dict[int, str] = {}

    def read(self) -> None:
        while (chunk := self.rig.running.read(self.rig.buffer, self.rig.now, lambda _: False)) or self.rig.poll() == 0:
            if chunk is not None:
                assert chunk.start not in self.texts
                data = bytes(self.rig.buffer[: chunk.length])
                self.texts[chunk.start] = data.decode(chunk.encoding)
                self.rig.running.released(chunk, chunk.length, memoryview(data))
        self.rig.commit()

    @property
    def text(self) -> str:
        return "".join(text for _, text in sorted(self.texts.items()))


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("configured", [None, "utf-8"])
def test_case_034_lines_of_wide_characters_arrive_whole_whatever_bytes_there_are_and_over_restarts(
    stand: Make, name: str, configured: str | None
) -> None:
    """A byte order mark wins over what is configured."""
    rig = stand(buffer=2000, encoding=configured or name)
    text = (MARK if configured else "") + "".join(LINES)
    data = text.encode(name)
    chunks = Chunks(rig)
    rig.start()
    for at in range(0, len(data), 777):  # also in the middle of a character
        rig.write("a.log", data[at : at + 777])
        rig.poll(1)
        chunks.read()
        if at % 2:
            rig.stop()
            rig.start()
    assert chunks.text == text
    assert all(text.endswith("\n") for text in chunks.texts.values())


def test_a_long_line_of_wide_characters_costs_itself_only(stand: Make) -> None:
    rig = stand(buffer=2000, encoding="utf-16", max_line_bytes=1000)
    data = ("short\n" + "\u0a0a" * 501 + "\nnext\n").encode("utf-16-le")
    rig.write("a.log", data)
    chunks = Chunks(rig)
    rig.start()
    chunks.read()
    assert chunks.texts == {0: "short\n", 12: "\u0a0a" * 501, 12 + 1004: "next\n"}


def test_reading_begins_behind_the_last_line_of_wide_characters(stand: Make) -> None:
    rig = stand(read_from="end", encoding="utf-16-be")
    rig.write("a.log", "\u0a0aold\n\u0a0ahalf".encode("utf-16-be"))
    chunks = Chunks(rig)
    rig.start()
    rig.write("a.log", " a line\n".encode("utf-16-be"))
    rig.poll(1)
    chunks.read()
    assert chunks.text == "\u0a0ahalf a line\n"


def test_nuls_in_wide_characters_are_no_padding(stand: Make) -> None:
    rig = stand(encoding="utf-16-be")
    log = rig.write("a.log", "one\nhalf".encode("utf-16-be"))
    chunks = Chunks(rig)
    rig.start()
    chunks.read()
    with log.open("r+b") as file:
        file.truncate(len("one\nha".encode("utf-16-be")))
    rig.poll(1)
    assert rig.said_lost() == {1: len("lf".encode("utf-16-be"))}
