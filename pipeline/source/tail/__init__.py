"""Log files that grow, rotate and go, as a source (idea 5)."""

from tailrace.pipeline.settings import TailSettings as Settings

__all__ = ["Settings"]
