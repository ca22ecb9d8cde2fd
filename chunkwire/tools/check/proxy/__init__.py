"""Judge a proxy from both sides: an upstream and a client that read and write exact octets, and a row for each rule.

The rule here: a verdict rests on the order of what happened and on the octets of both sides, never on how long it took.
A wait has a patience, and what only did not come decides nothing, unless the rule is about its coming. What RFC 9112
lets every hop do (re-chunk, drop extensions and trailers, buffer) is shown and never failed. A rule for a "proxy" in
the words of RFC 9110 §3.7 does not bind a gateway: there a row is a `must` only where the text says intermediary,
gateway, server, client, sender or recipient.
"""
