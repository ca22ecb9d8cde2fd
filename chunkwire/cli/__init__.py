"""The command line: arguments in, records and lines out, an exit code at the end.

What a maintainer must know of this room:

- `main` knows the verbs by name only. A verb is a module of the same name with `SUMMARY`, `EPILOG`,
  `add_arguments(parser)` and `run(options) -> int`; it is imported when it is chosen, and imports the rooms it needs
  inside `run`. So `chunkwire --help` loads neither trio nor h11.
- Data goes to standard output, messages to standard error; this is the one room that prints.
- `exits` is the only place that turns an error into an exit code, `flags` the only one that spells a shared flag.

No protocol here: what octets mean is known to the rooms above.
"""
