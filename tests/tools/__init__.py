"""The tools, on records: no socket, no clock."""
