"""What ships for tests."""
