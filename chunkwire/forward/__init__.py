"""The gateway: one request in, one upstream request out, frames relayed byte for byte.

Where to look: `gateway` is the loop over a client's connection, `exchange` one request and its response,
`rewrite` the pure rules about heads (RFC 9110 §7.6), `failure` what is answered when something breaks, `upstreams`
where requests go, `shape` the relay modes, `tunnel` what follows a 101, `tap` what watchers see, `access` the line
that is logged, `report` what it says of an exchange.

The grammar of chunks is known to the scanner in `wire` alone. A body that its sender did not end is not ended here,
unless by a fault that was asked for. `barrier` and `stamping` are movers for probes and benchmarks.
"""
