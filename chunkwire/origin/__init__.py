"""The origin: an HTTP/1.1 server that writes every chunk by hand, at the moment it is told to.

What a maintainer must know of this room:

- `engine` is the loop over exchanges on one connection; `server` puts it on an address.
- `request` and `response` are what a responder sees. Framing is decided in `response`, nowhere else: chunked for
  HTTP/1.1, the raw content until close for HTTP/1.0, a head for HEAD.
- `routes` holds the shape of a resource, `resources` the table of them; `streams`, `plan`, `echo`, `probe` and
  `misbehave` answer them. `faults` is the pure vocabulary of faults that the gateway shares.
- `journal` is what is known of each exchange; the access line and the `metrics` read from there.
- `query` and `refusal` say no in one line that names the culprit.

This room knows nothing of gateways, of clients or of the command line.
"""
