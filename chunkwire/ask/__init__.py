"""The answer endpoint: a question comes in, a provider's tokens go out as they are made.

What a maintainer must know of this folder: `providers` are asked in order, each behind its `breaker`; `relay` asks
them and puts what they say into a bounded channel; `answering` takes it out, `endpoint` (HTTP) and `conversation`
(WebSocket) write it in the `forms` that a caller may wish for. `session` remembers a little, `audit` logs each
request in one line. Small on purpose: no router of models, no cache, no accounts.
"""
