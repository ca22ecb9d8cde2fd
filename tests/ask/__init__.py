"""The answer endpoint: its pure parts, and the whole in front of mocked providers on real sockets."""
