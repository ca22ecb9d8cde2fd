"""`chunkwire.testing`: what a test holds, and how it is told what went wrong."""
