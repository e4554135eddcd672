"""The stage that the model's lines ask for trouble."""

from __future__ import annotations

from typing import Any


def fussy(event: dict[str, Any]) -> Any:
    """What the line wants: to be two events, to raise, or nothing."""
    if event["do"] == "twice":
        return [event, {**event, "again": True}]
    if event["do"] == "raise":
        raise RuntimeError("asked to raise")
    return event
