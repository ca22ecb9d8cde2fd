"""Ten lessons on the wire of HTTP/1.1, and what judges them: one text for the command line, the page and the handout.

What a maintainer must know of this room:

- `lesson` has the values: a lesson, its steps, the commands that a step shows. `table` lists the lessons; texts and
  judges are in the modules beside it, one a theme, and what judges share is in `typed`.
- `watched` is what one connection of a learner did, octets and ends. `judgement` is what is said about it: right, or
  one sentence with the octet that is wrong. `reading` finds that octet. All three are pure.
- `netcats` knows the flags of each nc, and which one is installed.
- `tee` watches a real connection on its way to a real server; `session` starts the servers of a lesson and judges.
- `handin` is the file that a learner hands in, `handout` the page to print, `on_page` serves lessons to the lab's page.
- `front` is the one address of a class.

A judge sees only octets, their order and the ends of a connection, so that any client of a learner's choice will do.
"""
