"""The mock of language models: every dialect of `chunkwire.llm`, at a pace and in a framing that a test chooses.

`settings` can be set by flags for all requests and by `x-chunkwire-…` fields for one; `composition` makes the answer,
by `schema` where it is JSON; `framing` plans when its events are sent, and in which frames; `responder` sends them.
`catalog` lists models and counts tokens; `resources` is the table of paths, with CORS.
"""
