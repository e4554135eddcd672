"""Fuzzing: a few examples with every `make test`, thousands with `make fuzz`. What was found stays as an @example."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("fuzz", max_examples=5000, **_COMMON)  # type: ignore[arg-type]  # one dict, mixed values
