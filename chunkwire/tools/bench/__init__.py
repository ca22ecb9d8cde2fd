"""What `chunkwire bench` computes: it opens many streams, times their frames, and gives figures of the samples."""
