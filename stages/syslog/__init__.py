"""What the forms of syslog consist of."""
