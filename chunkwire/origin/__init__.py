"""The origin's resources, on the `server` engine: paced and planned streams, faults, and mocks of language models.

- `resources` is the table of resources; `streams`, `events`, `plan`, `echo`, `probe`, `websocket` answer them.
- `scenarios` is the registry of legal and broken streams, also used by the gateway; `scenarios.playing` sends them.
- `mock/` answers as the providers of language models.
- `replay` serves a recording.
- `settings` has the limits of what a request may ask for.
- `barrier` is the protocol in which a stream waits for its client; also used by the gateway.

This room knows no gateway, no client and no command line; `server` serves its resources.
"""
