"""How octets move: heads, connections, dialling, listening, moments and movers, on real sockets."""
