"""Print the content of a URL with urllib.request, which is http.client underneath."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=5) as response:
    sys.stdout.buffer.write(response.read())
