"""The wire record: one timed observation as a value, as a line of JSON, and the way from events to it.

- `values`: the records, and how each is written and read as JSON; `record.schema.json` beside it is the published form.
- `recorder`: what one observer sees of a message becomes records.

The rule of this room: as pure as `wire`. No I/O and no clock: the observer passes the time.
"""
