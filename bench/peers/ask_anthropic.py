"""Print the text of a streamed answer with the anthropic SDK."""

import os
import sys

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["CHUNKWIRE_URL"], api_key="none", timeout=5)
messages = [{"role": "user", "content": "Say hello"}]
with client.messages.stream(model="check", max_tokens=100, messages=messages) as stream:
    for text in stream.text_stream:
        sys.stdout.write(text)
