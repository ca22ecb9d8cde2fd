"""The gateway: one request in, one upstream request out, frames relayed byte for byte.

Where to look: `gateway` is the loop over a client's connection, `exchange` one request and its response,
`rewrite` the pure rules about heads (RFC 9110 §7.6), `failure` what is answered when something breaks, `upstreams`
where requests go, `shape` the relay modes, `tunnel` what follows a 101, `tap` what watchers see, `access` the line
that is logged, `report` what it says of an exchange.

Nothing here knows a chunk's grammar; the scanner in `wire` does. Nothing here ends a body that its sender
did not end.
"""
