"""Print the content of a URL with requests."""

import sys

import requests

sys.stdout.buffer.write(requests.get(sys.argv[1], timeout=5).content)
