"""Sinks at work: a thread each, with retries."""
