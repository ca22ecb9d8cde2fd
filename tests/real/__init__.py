"""Acceptance: chunkwire as its users run it, with the real programs that they use beside it."""
