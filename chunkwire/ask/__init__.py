"""The answer endpoint: a question comes in, a provider's tokens go out as they are made.

What a maintainer must know of this folder: `wish` and `members` read what is asked. `providers` are asked in order,
each behind its gate (`overload`: cap, queue, `breaker`). `relay` decides who is asked and what an error means;
`attempt` asks once and puts what is said into a bounded channel. `answering` takes it out; `endpoint`, `chat` (OpenAI's
form) and `conversation` (WebSocket) write it in the `forms` that a caller may wish for. `session` remembers a little,
`audit` logs each request in one line, `counts` are the metrics. Small on purpose: no router of models, no cache, no
accounts.
"""
