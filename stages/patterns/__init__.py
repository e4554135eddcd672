"""What pattern parsers share."""
