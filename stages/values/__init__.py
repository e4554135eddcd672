"""What parsers share: types, times, field names."""
