"""Tests of the origin's resources."""
