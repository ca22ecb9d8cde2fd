"""What the octets mean: the codec of chunked bodies, server-sent events, and the record of what was seen.

The rule of this room: octets in, values out. No I/O, no clock (the observer passes the time in), no trio, no h11.
"""
