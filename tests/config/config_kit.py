"""What tests of configurations begin with."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.pipeline.settings import Config

Load = Callable[..., Config]


Problems = Callable[..., list[str]]


SOURCE = '[source]\npaths = ["logs/*.log"]\n'


STAGES = '[[stages]]\nuse = "stubs:Line"\n[[stages]]\nuse = "stubs:Out"\npath = "out/{source}.ndjson"\n'
