"""What the SDK tests ask for, and how a test wishes for a framing or a fault in a request's own fields."""

PROMPT = "Sag hallo 🚂 to the whole wide world"
TOKENS = ["Sag", " hallo", " 🚂", " to", " the", " whole", " wide", " world"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = {"city": PROMPT}

# Every framing under which the same answer must arrive.
FRAMINGS = ["event", "join=3", "join=1000", "split=1", "split=random"]


def framed(framing: str) -> dict[str, str]:
    return {"x-chunkwire-framing": framing}


def failing(what: str) -> dict[str, str]:
    return {"x-chunkwire-error": what}


def faulty(what: str) -> dict[str, str]:
    return {"x-chunkwire-fault": what}
