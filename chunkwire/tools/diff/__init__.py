"""Two recordings of one stream, compared frame by frame; pure."""
