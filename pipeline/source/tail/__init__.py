"""Log files that grow, rotate and go, as a source (idea 5)."""
