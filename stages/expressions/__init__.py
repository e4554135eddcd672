"""Expressions over an event, in Python's syntax."""
