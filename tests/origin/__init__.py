"""Tests of the origin: its engine, its resources, what it tells of itself."""
