"""Stages that change, drop or add events."""
