"""HTTP/1.1 in packet captures: packets to TCP streams, streams to exchanges, exchanges to records.

Only `packets` imports dpkt, an optional package. `streams` puts the octets of each connection in order and finds those
that are missing; `exchanges` reads them by `client.capture`; `tls` has tshark decrypt them, given a key log. `load` is
what other tools call. The time of a record is that of the packet which completed it.
"""
