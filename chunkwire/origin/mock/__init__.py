"""The mock of language models: every dialect of `chunkwire.llm`, at a pace and in a framing that a test chooses.

What a maintainer must know of this folder: `settings` can be set by flags for all requests and by `x-chunkwire-…`
fields for one; `composition` makes the answer; `framing` gives its events their moments and frames; `responder` sends
them. `catalog` lists models and counts tokens; `pages` is CORS. The answers are the prompt, a text, or Latin.
"""
