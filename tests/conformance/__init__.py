"""The vectors for a chunked body, and how to load them; README.md says what each member means."""
