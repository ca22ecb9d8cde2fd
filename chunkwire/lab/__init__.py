"""The lab: a page that shows the octets of streams live, and lets a learner write and break them.

- `laboratory` is the table of what the lab serves: the page, its feed, its streams; `seat` is one learner's part of it.
- `guard` checks requests: the Host, the page's token; and has the fields that stop a browser from running a stream's
  content as a page.
- `watching` brings records to a page over one event stream; `control` pauses, steps and paces a run's streams.
- `relaying` sends a stream through a real exchange of the gateway, in any mode; `hand` puts typed octets on the wire.
- `trying` lets real clients read octets; `loading` reads a recording or capture that is dropped on the page.
- `lessons/` and `puzzles` teach, in a terminal and on the page; `talking` is `chunkwire talk`.
- `static/` is the page: HTML, CSS and JavaScript modules as they are served, without a build step or a framework;
  `assets` serves them. `listing` is the page of an origin's resources; `pages/` are the pages of `chunkwire help`.

The rule here: a request that changes a seat needs the token of its page, and one learner can neither see nor change
what another does.
"""
