"""What write stages share: NDJSON, path templates, pace."""
