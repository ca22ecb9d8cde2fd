"""The command line as its users meet it: lines, exit codes, no traceback."""
