"""The command line: arguments in, output and an exit code out.

- `main` knows only the names of the verbs. A verb is a module of that name with `SUMMARY`, `EPILOG`,
  `add_arguments(parser)` and `run(options) -> int`. It is imported when it is used, and imports other rooms inside
  `run`, so that `chunkwire --help` loads neither trio nor h11. What a longer verb does is in the module VERB_run, which
  imports what it needs at its top.
- Data goes to standard output, messages to standard error. Only this room prints.
- Only `exits` maps errors to exit codes; `flags` declares the flags that verbs share.

This room implements no protocol.
"""
