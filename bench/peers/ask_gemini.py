"""Print the text of a streamed answer with the google-genai SDK."""

import os
import sys

from google import genai

options = {"base_url": os.environ["CHUNKWIRE_URL"], "timeout": 5000}
client = genai.Client(api_key="none", http_options=options)
for part in client.models.generate_content_stream(model="check", contents="Say hello"):
    sys.stdout.write(part.text or "")
