"""Stages that write events."""
