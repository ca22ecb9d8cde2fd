"""The answer endpoint: takes questions and passes on the tokens of a provider as they come.

What a maintainer must know of this folder: `parameters` and `json_members` read a request. `relay` asks the `providers`
in order, each behind its gate (`overload`: limit, queue, `breaker`); `attempt` asks one of them once and puts its
answer into the `channel`. `answering` takes it out; `endpoint`, `chat` (OpenAI's form) and `conversation` (WebSocket)
write it, in one of the `formats`, over HTTP by `responses`. `session` keeps conversations, `audit` logs each request,
`counts` has the metrics. Small on purpose: no router of models, no cache, no user accounts.
"""
