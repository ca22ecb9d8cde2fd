"""What the tools make of records: lines, rows, verdicts, statistics.

The rule here: records in, text or values out. Nothing here prints; the rooms above make the records, the command line
writes the lines. What asks servers, and so reads a clock, is told apart by its name: `probing`, `why` and `metering`
ask; `judge`, `statistics` and the others are pure functions of what was recorded.
`ask/` is a tool of another kind: an endpoint that answers questions, with providers behind it.
"""
