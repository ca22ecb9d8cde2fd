"""Run the command line: `python -m chunkwire` does what the command `chunkwire` does."""

import sys

from chunkwire.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
