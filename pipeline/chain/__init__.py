"""Idea 3: the stages over a batch, and record by record only in trouble."""
