"""Open a stream and read it as it arrives: frames, receives, lines or events. See how it ended.

    async with chunkwire.client.open("GET", "http://127.0.0.1:8081/sse") as stream:
        async for event in stream.events():
            ...

The main files: `opening` makes attempts, `exchange` is one attempt, `body` reads a body and judges its end, `stream`
and `views` are the objects that callers use. A `Read` is one receive. `throttled` groups a view's items in lists, at
most one list per interval; it does not slow the stream. `completion` checks whether the content reached its own end,
such as `[DONE]`, whatever the framing did; `answers` reads a language model's answer from a stream, `websocket` the
messages of a WebSocket. `capture` reads octets that another program received. This package neither prints nor serves.
"""

from chunkwire.client.answers import AnswerFailed, TokenStream, tokens
from chunkwire.client.body import Read
from chunkwire.client.errors import Deadline, MalformedBody, ResetBody, StatusError, TooLong, WebSocketClosed
from chunkwire.client.opening import Retry, open  # noqa: A004  it is called as chunkwire.client.open
from chunkwire.client.stream import BodyEnd, Counts, Stream
from chunkwire.client.views import throttled
from chunkwire.client.websocket import WebSocketStream, websocket
from chunkwire.llm.answer import Reasoning, Stop, Text, ToolCall, Usage
from chunkwire.llm.question import Message, Question, Tool
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.net.pool import Pool
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.sse import EventTooLong

__all__ = [
    "open",
    "tokens",
    "websocket",
    "WebSocketStream",
    "WebSocketClosed",
    "TokenStream",
    "Text",
    "Reasoning",
    "ToolCall",
    "Usage",
    "Stop",
    "Question",
    "Message",
    "Tool",
    "AnswerFailed",
    "IncompleteBody",
    "StatusError",
    "Stream",
    "Read",
    "Counts",
    "BodyEnd",
    "Retry",
    "Pool",
    "throttled",
    "Request",
    "Response",
    "ResetBody",
    "MalformedBody",
    "TooLong",
    "EventTooLong",
    "Deadline",
    "DialError",
    "PeerGone",
    "IncompleteHead",
    "HeadError",
]
