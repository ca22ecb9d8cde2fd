"""The gateway: one request in, one upstream request out, frames relayed byte for byte.

Where to look: `gateway` is the loop over a client's connection, `exchange` one request and its response,
`rewrite` the pure rules about heads (RFC 9110 §7.6), `failure` what is said when something breaks, `upstreams`
where requests go, `leaving` how a client's departure is noticed, `tunnel` what follows a 101, `tap` what
watchers see, `access` the line that is logged.

Nothing here knows a chunk's grammar; the scanner in `wire` does. Nothing here ends a body that its sender
did not end.
"""
