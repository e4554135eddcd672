"""The configuration as checked values. Nothing past this package ever sees a raw TOML table."""
