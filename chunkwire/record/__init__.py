"""The wire record: timed observations as values and as lines of JSON.

- `values`: the records, and their JSON form; `record.schema.json` beside it is the published schema.
- `members`: the checks of a record's members in JSON.
- `recorder`: makes records from the events of a message.

The rule of this room: pure, as `wire`. No I/O and no clock: the observer passes the time.
"""
