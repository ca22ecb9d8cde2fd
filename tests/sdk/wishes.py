"""What the SDK tests ask for, of runs and of the mock."""

PROMPT = "Sag hallo 🚂 to the whole wide world"
TOKENS = ["Sag", " hallo", " 🚂", " to", " the", " whole", " wide", " world"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = {"city": PROMPT}
FRAMINGS = ("event-per-chunk", "one-chunk", "across-events", "split-utf8", "tiny")  # openai meets every one
FAST = {"x-chunkwire-ttft": "0", "x-chunkwire-itl": "0"}  # of the mock, which answers at a pace
