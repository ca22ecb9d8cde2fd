"""Moving octets, on trio: connections, heads, bodies, listeners, and the place where a run blocks.

- `heads` is pure: heads as values, the checks that h11 lacks, and the framing of a body (RFC 9112 §6.3). `targets`
  checks Host and request-target. `seam`, the only file that imports h11, parses each head once. `writer` writes heads.
- `connection` moves octets and does not decode bodies. `ends` has the server's and the client's end; neither keeps data
  of a head that has been answered. `tls` is TLS on the socket itself.
- `movers` relay one body from one connection to another (`fastmover` on Linux). They hold what the scanner has not
  approved, so the octets sent are always a prefix of some valid body.
- `dial` opens connections, `listen` accepts them.
- `sleeper` blocks in place of trio's poll: for trio, for planned moments, and for the descriptors that movers watch.
  `triosleep` has what it needs to know about trio and Linux.

This room knows nothing of origins, gateways, records and the command line.
"""
