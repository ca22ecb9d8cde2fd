"""How octets move, on trio: connections and their heads, bodies, listeners, moments.

What a maintainer must know of this room:

- `heads` is pure: a request or response head as a value, the checks h11 leaves out, and which framing a
  body has (RFC 9112 §6.3). `seam` is the only file that imports h11; it turns octets into heads and heads
  into octets, and remembers its latest answers. `connection` leaves every body octet undecoded.
- `movers` carry one body from one connection to another. They hold back what the scanner has not approved,
  so what was sent is always a prefix of some valid body.
- `dial` opens connections, `listen` accepts them, `pacing` waits for planned moments, most closely in a run of trio
  whose clock is the one of `moments`.

This room knows nothing of origins, gateways, records or the command line.
"""
