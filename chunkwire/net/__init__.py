"""How octets move, on trio: connections and their heads, bodies, listeners, sleep.

What a maintainer must know of this room:

- `heads` is pure: a request or response head as a value, the checks h11 leaves out, and which framing a
  body has (RFC 9112 §6.3). `seam` is the only file that imports h11, and reads each head once; `writer`
  writes heads. `connection` moves octets and leaves those of bodies undecoded; `ends` are its server's and its client's
  end, and keep nothing of a head that has been answered.
- `movers` carry one body from one connection to another. They hold back what the scanner has not approved,
  so what was sent is always a prefix of some valid body.
- `dial` opens connections, `listen` accepts them.
- `sleeper` is where a run of trio sleeps: for trio, for planned moments, for what movers watch. `triosleep` is all
  that it must know of trio's own sleep.

This room knows nothing of origins, gateways, records or the command line.
"""
