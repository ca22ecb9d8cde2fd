"""Judge a proxy from both sides: with an upstream and a client that read and write exact octets, a row for each rule.

The rule here: a verdict rests on the order of events and on the octets of both sides, not on how long something took.
Each wait has a timeout; a row whose wait times out is undecided, unless the rule demands the event. What RFC 9112
allows every hop (re-chunk, drop extensions and trailers, buffer) is shown and never fails the run. RFC 9110 §3.7
distinguishes proxies from gateways, so a row is `must` only if the text says intermediary, gateway, server, client,
sender or recipient.
"""
