"""The tests of chunkwire: one folder a room, `peers` that start real programs, `real` that runs the whole."""
