"""What the sinks that speak HTTP share."""
