"""The gateway: one request in, one upstream request out, frames relayed byte for byte.

The files: `gateway` is the loop over a client's connection, and `exchange` one request with its response. `rewrite` has
the rules for heads (RFC 9110 §7.6), `failure` the answers to failures, `upstreams` the pools of connections, `shape`
the relay modes and faults, `settings` what the operator chooses. `tunnel` relays after a 101, `tap` makes records for
watchers, `access` logs a line, `report` has its values. `barrier` is a mover for probes.

Only the scanner in `wire` knows the grammar of chunks. A body that its sender did not end is never ended here, except
by a fault that the operator asked for.
"""
