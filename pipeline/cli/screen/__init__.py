"""What is shown on a terminal: tables, progress, reports."""
