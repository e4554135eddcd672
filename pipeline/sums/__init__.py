"""Sums over events, in the main process: totals, how far event time is, and what comes of them."""
