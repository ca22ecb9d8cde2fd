"""Judge how a client command handles legal and broken responses, by its exit code and its output."""
