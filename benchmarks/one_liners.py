"""What others need one line for: ``python -m benchmarks.one_liners duckdb|polars INPUT OUTPUT``.

JSON lines in, one field added, JSON lines out, on one thread. Neither tails, commits or keeps the lines it cannot read.
"""

from __future__ import annotations

import os
import sys


def duckdb(source: str, target: str) -> None:
    import duckdb  # type: ignore[import-not-found, unused-ignore]  # of the dependency group `bench`

    query = f"COPY (SELECT *, 'bench' AS env FROM read_ndjson_auto('{source}')) TO '{target}' (FORMAT json)"  # noqa: S608
    duckdb.connect(config={"threads": 1}).execute(query)


def polars(source: str, target: str) -> None:
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars  # type: ignore[import-not-found, unused-ignore]  # of the dependency group `bench`

    polars.scan_ndjson(source).with_columns(env=polars.lit("bench")).sink_ndjson(target)


if __name__ == "__main__":
    {"duckdb": duckdb, "polars": polars}[sys.argv[1]](sys.argv[2], sys.argv[3])
