"""Ideas 1 and 2: the ring of slots, the workers and who works on what."""
