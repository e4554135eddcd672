"""Daemons, as the scenarios have them."""

from __future__ import annotations

from ..scenarios.conftest import make_daemon

__all__ = ["make_daemon"]
