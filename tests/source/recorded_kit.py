"""Recorded files and streams, read to their end."""

from collections.abc import Iterator
from pathlib import Path

from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.source.recorded.lines import LineReader, Lines
from tailrace.pipeline.source.recorded.recorded import Recorded

LINES = b"".join(b"line %d of a file that packs well enough\n" % number for number in range(20_000))


def never(_file_id: int) -> bool:
    return False


def drain(source: Recorded, size: int = 1 << 16) -> list[tuple[Chunk, bytes]]:
    buffer = memoryview(bytearray(size))
    chunks = []
    while not source.exhausted:
        assert source.poll(0.0) == 0.0
        chunk = source.read(buffer, 0.0, never)
        if chunk is not None:
            chunks.append((chunk, bytes(buffer[: chunk.length])))
    source.close()
    return chunks


def content(chunks: list[tuple[Chunk, bytes]]) -> bytes:
    return b"".join(data for _, data in chunks)


def opened(*paths: Path | str, **options: object) -> Recorded:
    source = Recorded([str(path) for path in paths], **{"chunk_bytes": 1 << 15, **options})  # type: ignore[arg-type]
    source.open({}, 0.0)
    return source


class Scripted:
    """A stream that gives these pieces, one a read; None: nothing yet; an exception is raised."""

    def __init__(self, pieces: list[bytes | Exception | None]) -> None:
        self.pieces = pieces

    def ready(self) -> bool:
        return True

    def read_into(self, view: memoryview) -> int | None:
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        if piece is None:
            return None
        if isinstance(piece, Exception):
            raise piece
        count = min(len(view), len(piece))
        view[:count] = piece[:count]
        if piece[count:]:
            self.pieces.insert(0, piece[count:])
        return count

    def taken(self) -> int:
        return 0

    def close(self) -> None: ...


def read_all(reader: LineReader, size: int) -> Iterator[tuple[Lines, bytes]]:
    buffer = memoryview(bytearray(size))
    for _ in range(5000):
        lines = reader.read(buffer)
        if lines is not None:
            yield lines, bytes(buffer[: lines.length])
        if reader.finished:
            return
    raise AssertionError("the reader does not come to an end")
