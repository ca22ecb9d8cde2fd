"""Judge how a server handles legal and broken requests, by its answers on the connection."""
