"""The lab: a page that shows the octets of streams as they go by, and lets a learner write and break them.

- `laboratory` is the table of what the lab serves: the page, its feed, its streams; `seat` is one learner's part of it.
- `guard` decides who may ask: the Host, the page's own token, the fields that keep a page's content harmless.
- `watching` brings records to a page over one event stream; `control` pauses, steps and paces a run's streams.
- `relaying` sends a stream through a real exchange of the gateway, in any mode; `hand` puts typed octets on the wire.
- `static/` is the page: HTML, CSS and JavaScript modules as they are served, without a build step or a framework.

The rule here: what acts is asked for by the page itself, and what one learner does reaches no other.
"""
