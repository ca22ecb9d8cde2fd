"""What the octets mean: the codec of chunked bodies, content codings, and server-sent events.

The rule of this room: octets in, values out. No I/O, no clock, no trio, no h11.
"""
