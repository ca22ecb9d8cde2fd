"""A question to a model, in the same types for every provider, and the helpers of all dialects to read a request.

The rule here: only what a question says, in whichever dialect. What this module must not know: how one dialect writes
it, connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import unquote

from chunkwire.llm.answer import ErrorKind, ProviderError, WholeToolCall
from chunkwire.llm.shape import at, items_at, load_object, text_at
from chunkwire.wire.errors import ChunkwireError

Field = tuple[bytes, bytes]
Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """An HTTP request to a provider or to a mock of one.

    Attributes:
        target: path and query, as in the request line.
    """

    method: bytes
    target: bytes
    fields: tuple[Field, ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query, still percent-encoded."""
        return self.target.partition(b"?")[0].decode("latin-1")

    def query(self, name: str) -> str | None:
        """Return the percent-decoded value of the first query parameter of this name, None where it is absent."""
        for pair in self.target.partition(b"?")[2].split(b"&"):
            key, _, value = pair.partition(b"=")
            if unquote(key) == name:
                return unquote(value)
        return None

    def get(self, name: bytes) -> bytes | None:
        """Return the value of the first field of that (lower-case) name, None where there is none."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def bearer(self) -> str:
        """The bearer token (RFC 6750 §2.1), "" where there is none."""
        scheme, _, token = (self.get(b"authorization") or b"").partition(b" ")
        return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""

    def body_object(self) -> dict[str, object]:
        """Return the JSON object in the body.

        Raises:
            RequestRefused: there is none.
        """
        try:
            return load_object(self.body)
        except ValueError as error:
            raise refuse(f"body: {error}") from error


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; a `tool` turn carries a tool's result.

    Attributes:
        calls: the tool calls of an `assistant` turn.
        call_id: the id of the call that a `tool` turn's text is the result of.
    """

    role: Role
    text: str
    calls: tuple[WholeToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call; `schema` is the JSON Schema of its arguments, as it came and not checked."""

    name: str
    schema: object = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks.

    `temperature`, `top_p`, `stop` and `others` are for `Dialect.build_request`; no `Dialect.parse_request` reads them.

    Attributes:
        tools: those of the request; none where `choosing` was called with "none".
        is_stream: answer event by event, not with one JSON body.
        wants_usage: end the stream with its usage; False only where a request of OpenAI's chat did not ask for it.
        max_tokens, temperature, top_p: None where it is not set.
        stop: texts before which the answer ends.
        tool_choice: whether the model may, must not or must call a tool.
        named_tool: the one of `tools` that it must call; "" for any.
        others: further members of the request's JSON, written as they are where the provider has OpenAI's chat form.
        choices: how many answers to give.
        is_parallel: several tools may be called at once.
        wants_reasoning: return the reasoning, too.
        schema: the JSON Schema that the answer must fit, {} for any object; None for a text.
        top_logprobs: how many alternatives to list for each token, with probabilities; None for no probabilities.
        native_fields: JSON Pointers (RFC 6901) to members of the model's own answer to return beside it (Bedrock).
        form: a variant of the dialect's stream, "" for the usual: Gemini's "array", Bedrock's "invoke".
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    is_stream: bool = True
    wants_usage: bool = True
    max_tokens: int | None = None
    form: str = ""
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    named_tool: str = ""
    others: Mapping[str, object] = field(default_factory=dict)
    choices: int = 1
    is_parallel: bool = True
    wants_reasoning: bool = False
    schema: object = None
    top_logprobs: int | None = None
    native_fields: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The text of the last user turn, "" where there is none."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    def choosing(self, mode: str, name: str = "") -> Question:
        """Return the question with the `tool_choice` that a request gives; for "none" without tools instead.

        Args:
            mode: in OpenAI's terms: auto, none or required; "" for auto.
            name: of the tool that must be called, "" for any.

        Raises:
            RequestRefused: another mode; required without tools; a tool that the request does not have.
        """
        if mode not in ("", "auto", "none", "required"):
            raise refuse(f"tool_choice: expected auto, none, required or a tool, got {mode!r:.60}")
        if mode == "none":
            return replace(self, tools=())
        if mode == "required" and not self.tools:
            raise refuse("tool_choice: expected tools beside it, got none")
        if name and all(tool.name != name for tool in self.tools):
            raise refuse(f"tool_choice: expected the name of one of the tools, got {name!r:.60}")
        return replace(self, tool_choice="required" if mode == "required" or name else "auto", named_tool=name)


class RequestRefused(ChunkwireError):
    """A dialect does not accept a request; `Dialect.write_error` makes the response from `error`."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error.message)
        self.error = error


def refuse(message: str, kind: ErrorKind = ErrorKind.BAD_REQUEST) -> RequestRefused:
    """Return the exception that refuses a request; the caller raises it."""
    return RequestRefused(ProviderError(kind, message))


def required(body: object, name: str, kind: type[str | list[object] | int]) -> object:
    """Return a member that must be there: a text or an array that is not empty, or a whole number above 0.

    Raises:
        RequestRefused: it is not.
    """
    value = at(body, name)
    if value is None:
        raise refuse(f"missing required parameter: '{name}'")
    is_negative = isinstance(value, int) and value < 0
    if not isinstance(value, kind) or isinstance(value, bool) or not value or is_negative:
        words = {str: "a text that is not empty", list: "an array that is not empty", int: "a whole number above 0"}
        raise refuse(f"{name}: expected {words[kind]}, got {value!r:.60}")
    return value


def stream_flag(body: object) -> bool:
    """Return the member `stream`, False where there is none.

    Accept is ignored: a request for a stream has this member, also where an SDK asks for text/event-stream (Mistral's).

    Raises:
        RequestRefused: it is no boolean.
    """
    value = at(body, "stream")
    if value is not None and not isinstance(value, bool):
        raise refuse(f"stream: expected true or false, got {value!r:.60}")
    return value is True


def count_of(body: object, *path: str, most: int) -> int:
    """Return the number of answers that the member at a path asks for, 1 where there is no such member.

    Raises:
        RequestRefused: no whole number from 1 to `most`.
    """
    value = at(body, *path)
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise refuse(f"{'.'.join(path)}: expected a whole number from 1 to {most}, got {value!r:.60}")
    return value


def text_of(content: object) -> str:
    """Return the text of a message's content: a string, or an array of parts of which some are text."""
    if isinstance(content, list):
        return "".join(text_at(part, "text") for part in content)
    return text_at([content], 0)  # the string itself; "" for anything else


def tools_in(functions: Iterable[object], *schema: str) -> tuple[Tool, ...]:
    """Return the tools that these objects describe, those with a name; `schema` is the path of the schema in each."""
    return tuple(
        Tool(name, at(function, *schema), text_at(function, "description"))
        for function in functions
        if (name := text_at(function, "name"))
    )


def two_sided(body: object, is_result: Callable[[object], bool]) -> Iterator[Message]:
    """Yield the messages of a body in Anthropic's or Bedrock's form: `system`, then turns of user and assistant.

    A turn with the result of a tool gets the role `tool`. Tool calls, their ids and the content of a
    result are not read. It raises once it is iterated.

    Args:
        is_result: says whether a block of a turn is the result of a tool.

    Raises:
        RequestRefused: there are no messages, or one of another role.
    """
    if system := text_of(at(body, "system")):
        yield Message("system", system)
    required(body, "messages", list)
    for number, item in enumerate(items_at(body, "messages")):
        role = text_at(item, "role")
        if role not in ("user", "assistant"):
            raise refuse(f"messages.{number}.role: expected user or assistant, got {at(item, 'role')!r:.60}")
        has_result = any(is_result(block) for block in items_at(item, "content"))
        speaker: Role = "tool" if has_result else "user" if role == "user" else "assistant"
        yield Message(speaker, text_of(at(item, "content")))


def turns(messages: Iterable[Message], *roles: Role) -> list[Message]:
    """Return the messages of these roles."""
    return [message for message in messages if message.role in roles]
