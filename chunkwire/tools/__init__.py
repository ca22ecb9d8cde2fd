"""What the tools make of records: lines, rows, verdicts, statistics.

The rule here: records in, text or values out. Nothing here prints; the rooms above make the records, the command line
writes the lines. What asks servers, and so reads a clock, is named for it: `probe/probing`, `probe/why` and
`bench/metering`; all other modules are pure functions of what was recorded.
`paint` (colours) and `stamps` (times inside the content) have users in several tools.
"""
