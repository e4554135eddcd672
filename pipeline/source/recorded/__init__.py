"""Recorded files as a source, for `replay`."""
