"""Records of one stream to the lines that a person watches; pure."""
