"""The origin's resources, on the `server` engine: streams that are paced, planned, faulty or those of language models.

What a maintainer must know of this room:

- `resources` is the table of them; `streams`, `events`, `plan`, `echo`, `probe`, `websocket` answer them.
- `scenarios` is the registry of legal and broken streams, pure, that the gateway shares.
- `mock/` answers as the providers of models do.
- `replay` serves a recording.
- `barrier` is the protocol by which a stream waits for its client; the gateway has it too.

This room knows no gateway, no client and no command line; `server` puts its resources on an address.
"""
