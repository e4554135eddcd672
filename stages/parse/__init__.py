"""Stages that turn lines into events."""
