"""How fast tailrace is, beside what bounds it and what it competes with: ``python -m benchmarks.bench --help``."""
