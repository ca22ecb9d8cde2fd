"""Fuzz of the scanner and of whole connections.

`CHUNKWIRE_FUZZ_SECONDS=600 python -m pytest tests/fuzz` looks for 10 minutes.
"""
