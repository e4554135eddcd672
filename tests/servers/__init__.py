"""Servers that the tests start for the sinks: on loopback, on a free port, gone with the test."""
