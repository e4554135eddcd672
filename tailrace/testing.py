"""Doubles for tests of stages, sinks and sources."""

from tailrace.pipeline.testing import *  # noqa: F403
