"""The soak: a daemon under everything at once, for as long as one likes. `make soak MINUTES=n`."""
