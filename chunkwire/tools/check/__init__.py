"""Scorecards of other people's clients, servers and proxies: one row a rule, each with the octets that show it."""
