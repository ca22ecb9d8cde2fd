"""What the octets mean: bodies with and without chunks, content codings, and server-sent events.

Durations (`durations`) and JSON (`jsontext`) are here too, since several rooms parse them. The rule of this room: pure.
No I/O, no clock, no trio, no h11.
"""
