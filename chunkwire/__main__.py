"""Run the command line: `python -m chunkwire` is the console script by another name."""

import sys

from chunkwire.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
