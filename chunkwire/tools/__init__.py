"""What the tools make of records: lines, rows, verdicts, statistics.

The rule here: records in, text or values out. Nothing here prints: the command line writes the lines. Parts of `bench`,
`check` and `probe` talk to peers and read a clock; the rest is pure functions of what was recorded. `paint` (colours)
and `stamps` (times inside the content) have users in several tools.
"""
