"""What a server makes of requests, legal and broken, judged by its own answers on the connection."""
