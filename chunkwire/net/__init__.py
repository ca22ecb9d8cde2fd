"""Moving octets, on trio: connections, heads, bodies, listeners, and the place where a run blocks.

- `heads` has heads as values, and the checks that h11 lacks; `framing` the framing of a body (RFC 9112 §6.3);
  `targets` the checks of Host and request-target. These are pure. `seam`, the only file that imports h11, applies all
  of them to a received head.
  `writer` writes heads; `unread` has what is shown of a refused head, `protocols` the names of other protocols.
- `connection` moves octets and does not decode bodies. `ends` has the server's and the client's end, which receive and
  send heads. `tls` is TLS on a socket, `unix` has Unix sockets, `stamps` kernel timestamps, `changes` the wait for a
  peer that leaves.
- `movers` relay one body from one connection to another; `fastmover` does it on Linux, with the state in `inflight`.
- `dial` opens connections, `pool` keeps idle ones, `listen` accepts them; `certificates` has a server's certificate,
  `deadlines` its timeouts.
- `sleeper` blocks in place of trio's poll: for trio, for planned moments (`moments`), and for the descriptors that
  movers watch. `triosleep` has what it needs to know about trio and Linux.

This room knows nothing of origins, gateways, records and the command line.
"""
