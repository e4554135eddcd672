"""A run: the loop, the commit (idea 4) and what puts the parts together."""
