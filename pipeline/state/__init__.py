"""The state: one SQLite file, and who may use it."""
