"""The engine of tailrace: knows no concrete stage."""

__version__ = "0.1.0"
