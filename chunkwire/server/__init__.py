"""The server engine: HTTP/1.1 connections in, a responder called for each request, each chunk written by hand.

- `serve` listens and runs the engine; `engine` is the loop over the exchanges of one connection.
- `request` and `responder` are what a handler is given. Framing is decided in `responder` and nowhere else: chunked for
  HTTP/1.1, the raw content until close for HTTP/1.0, a head only for HEAD.
- `routes` holds resources and finds the one for a request; `query` and `refusal` reject bad input in one clear line.
- `journal` keeps what is known of each exchange; access lines and `metrics` read from there.
- `workers` runs several processes on one address.

This room knows no resource of its own, no gateway, no client and no command line.
"""
