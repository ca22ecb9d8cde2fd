"""The dialects of language models, without a socket."""
