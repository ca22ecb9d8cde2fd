"""The command line: arguments in, output and an exit code out.

- `main` knows only the names of the verbs. A verb is a module of that name with `SUMMARY`, `EPILOG`,
  `add_arguments(parser)` and `run(options) -> int`. A verb with `SUBVERBS` (`check`) has only the first two, and for
  each subverb there is a module VERB_SUBVERB with all four.
- A verb's module imports no room but `wire` at its top, so that `chunkwire --help` loads neither trio nor h11. The
  `run` of a longer verb is in the module VERB_run, which imports what it needs at its top.
- Data goes to standard output, messages to standard error. Only this room prints.
- `exits` maps exceptions to exit codes; `flags` has the flags that verbs share.

This room implements no protocol.
"""
