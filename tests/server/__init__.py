"""Tests of the server engine: exchanges, refusals, responders, what it records of itself."""
