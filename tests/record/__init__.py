"""The tests of the wire record: events in, values and lines of JSON out."""
