"""The gateway, between the test's own hands on both sides."""
