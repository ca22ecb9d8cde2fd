"""Print the text of a streamed answer with the openai SDK."""

import os
import sys

from openai import OpenAI

client = OpenAI(base_url=os.environ["CHUNKWIRE_URL"], api_key="none", timeout=5)
messages = [{"role": "user", "content": "Say hello"}]
for part in client.chat.completions.create(model="check", messages=messages, stream=True):
    if part.choices:
        sys.stdout.write(part.choices[0].delta.content or "")
