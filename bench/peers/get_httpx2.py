"""Print the content of a URL with httpx2."""

import sys

import httpx2

sys.stdout.buffer.write(httpx2.get(sys.argv[1], timeout=5).content)
