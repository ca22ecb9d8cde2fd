"""Tests of the gateway; the test is its client and its upstream."""
