"""A running daemon as others see it: over TCP for people and Prometheus, over a socket in the state for commands."""
