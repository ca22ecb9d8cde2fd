"""Tests of the lab: what its server answers and to whom, and the page in a real browser."""
