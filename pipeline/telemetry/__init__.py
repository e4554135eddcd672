"""What tailrace tells of itself: counters, logs, progress, the closing table."""
