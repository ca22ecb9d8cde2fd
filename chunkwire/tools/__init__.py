"""What the tools make of records: lines, rows, verdicts, statistics.

The rule here: records in, text or values out. Nothing here opens, reads a clock or prints; the rooms above make the
records, the command line writes the lines.
"""
