"""Scorecards of other people's clients, servers and proxies: one row for each rule, with the octets exchanged."""
