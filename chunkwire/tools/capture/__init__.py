"""What a packet capture holds of HTTP/1.1: packets to TCP streams, streams to exchanges, exchanges to records.

What a maintainer must know of this room: `packets` is the one file that knows dpkt, the extra `pcap`; `streams` puts
the octets of each connection in order and says which are missing; `exchanges` reads them by `client.capture`; `tls`
asks tshark for what a key log opens. Times are the capture's: when what completes something was seen there.
"""
