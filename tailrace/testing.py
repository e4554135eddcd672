"""Doubles for tests of stages, sinks and sources."""

from tailrace.pipeline.testing.doubles import *  # noqa: F403
