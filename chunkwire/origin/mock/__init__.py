"""The mock of language models: every dialect of `chunkwire.llm`, at a pace and in a framing that a test chooses.

What a maintainer must know of this folder: `settings` is what can be wished for, by flags for all requests and by
`x-chunkwire-…` fields for one; `composition` makes the answer; `framing` lays its events out as frames in time;
`responder` sends them. The models say nothing worth reading: they echo, or speak Latin.
"""
