"""What a client command makes of responses, legal and broken, judged by its exit code and its output."""
