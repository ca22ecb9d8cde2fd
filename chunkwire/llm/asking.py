"""Build the body of each dialect's request from a question: messages, tools, sampling.

The rule here: one function per dialect, and the objects of tool calls, which whole answers have too. An optional member
is in a body only where the question sets it. What a dialect does not have is left out: OpenAI's responses take no stop
sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from chunkwire.llm.answer import WholeToolCall
from chunkwire.llm.question import Message, Question, Tool, turns
from chunkwire.llm.shape import load_object

ANTHROPIC_MAX_TOKENS: Final = 4096  # the API requires a number; the most that its oldest models take


def chat_body(question: Question) -> dict[str, object]:
    """Return the body of a chat completion; a stream is to end with its usage."""
    body: dict[str, object] = {
        **question.others,
        "model": question.model,
        "messages": [_chat_message(message) for message in question.messages],
        **_given(
            max_completion_tokens=question.max_tokens,
            temperature=question.temperature,
            top_p=question.top_p,
            stop=list(question.stop),
            tools=[{"type": "function", "function": _function(tool, "parameters")} for tool in question.tools],
        ),
    }
    if question.is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    named = {"type": "function", "function": {"name": question.named_tool}}
    return body | _given(tool_choice=_choice(question, named, "required", "none"))


def responses_body(question: Question) -> dict[str, object]:
    """Return the body of OpenAI's responses."""
    tools = [{"type": "function", **_function(tool, "parameters"), "strict": False} for tool in question.tools]
    return {
        "model": question.model,
        "input": [item for message in question.messages for item in _response_items(message)],
        "stream": question.is_stream,
        **_given(
            max_output_tokens=question.max_tokens,
            temperature=question.temperature,
            top_p=question.top_p,
            tools=tools,
            tool_choice=_choice(question, {"type": "function", "name": question.named_tool}, "required", "none"),
        ),
    }


def messages_body(question: Question) -> dict[str, object]:
    """Return the body of Anthropic's messages."""
    return {
        "model": question.model,
        "max_tokens": question.max_tokens or ANTHROPIC_MAX_TOKENS,
        "messages": [
            {"role": side, "content": said[0].text if _is_plain(said) else _anthropic_blocks(said)}
            for side, said in _sides(question)
        ],
        "stream": question.is_stream,
        **_given(
            system=_system(question),
            temperature=question.temperature,
            top_p=question.top_p,
            stop_sequences=list(question.stop),
            tools=[_function(tool, "input_schema", {"type": "object"}) for tool in question.tools],
            tool_choice=_choice(
                question, {"type": "tool", "name": question.named_tool}, {"type": "any"}, {"type": "none"}
            ),
        ),
    }


def gemini_body(question: Question) -> dict[str, object]:
    """Return the body of Gemini's generateContent."""
    names = {call.id: call.name for message in question.messages for call in message.calls}
    config = _given(
        maxOutputTokens=question.max_tokens,
        temperature=question.temperature,
        topP=question.top_p,
        stopSequences=list(question.stop),
    )
    declarations = [_function(tool, "parametersJsonSchema") for tool in question.tools]
    named = {"mode": "ANY", "allowedFunctionNames": [question.named_tool]}
    choice = _choice(question, named, {"mode": "ANY"}, {"mode": "NONE"})
    system = _system(question)
    return {
        "contents": [
            {"role": "model" if side == "assistant" else "user", "parts": _gemini_parts(said, names)}
            for side, said in _sides(question)
        ],
        **_given(
            systemInstruction={"parts": [{"text": system}]} if system else None,
            generationConfig=config,
            tools=[{"functionDeclarations": declarations}] if declarations else None,
            toolConfig={"functionCallingConfig": choice} if choice else None,
        ),
    }


def converse_body(question: Question) -> dict[str, object]:
    """Return the body of Bedrock's Converse, where tools are forbidden by listing none."""
    tools = [
        {"toolSpec": _function(tool, "inputSchema", {"type": "object"}, "json")}
        for tool in question.tools
        if question.tool_choice != "none"
    ]
    choice = _choice(question, {"tool": {"name": question.named_tool}}, {"any": {}}, None)
    return {
        "messages": [{"role": side, "content": _converse_blocks(said)} for side, said in _sides(question)],
        **_given(
            system=[{"text": message.text} for message in turns(question.messages, "system")],
            inferenceConfig=_given(
                maxTokens=question.max_tokens,
                temperature=question.temperature,
                topP=question.top_p,
                stopSequences=list(question.stop),
            ),
            toolConfig={"tools": tools, **_given(toolChoice=choice)} if tools else None,
        ),
    }


def _given(**members: object) -> dict[str, object]:
    """Return the members that are neither None nor empty."""
    return {name: value for name, value in members.items() if value is not None and value not in ([], {}, "")}


def _choice(question: Question, named: object, required: object, none: object) -> object:
    """Return one of these values of a dialect; None for auto, or without tools."""
    if not question.tools or question.tool_choice == "auto":
        return None
    if question.tool_choice == "none":
        return none
    return named if question.named_tool else required


def _function(tool: Tool, schema_name: str, default: object = None, *inner: str) -> dict[str, object]:
    """Return a tool's name, description and schema; each name in `inner` wraps the schema in an object."""
    schema = default if tool.schema is None else tool.schema
    for name in inner:
        schema = {name: schema}
    return {"name": tool.name, **_given(description=tool.description), **({schema_name: schema} if schema else {})}


def _system(question: Question) -> str:
    return "\n".join(message.text for message in turns(question.messages, "system"))


def _sides(question: Question) -> Iterable[tuple[str, list[Message]]]:
    """Yield each turn as its side, user or assistant, and its messages.

    A turn is one message; but adjacent messages of the user's side are one turn if a tool's result is among them.
    """
    said = turns(question.messages, "user", "assistant", "tool")
    for side, group in groupby(said, key=lambda message: "assistant" if message.role == "assistant" else "user"):
        messages = list(group)
        if any(message.role == "tool" for message in messages):
            yield side, messages
        else:
            yield from ((side, [message]) for message in messages)


def _is_plain(messages: list[Message]) -> bool:
    return len(messages) == 1 and messages[0].role != "tool" and not messages[0].calls


def arguments_of(call: WholeToolCall) -> dict[str, object]:
    """Return the arguments of a call as an object; anything else is put into one."""
    try:
        return load_object(call.json)
    except ValueError:
        return {"arguments": call.json}


def chat_call(call: WholeToolCall, arguments: str) -> dict[str, object]:
    """Return a call of a chat completion's message, with this text of its arguments."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _chat_message(message: Message) -> dict[str, object]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [chat_call(call, "".join(call.arguments)) for call in message.calls]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls}


def _response_items(message: Message) -> list[dict[str, object]]:
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.call_id, "output": message.text}]
    calls: list[dict[str, object]] = [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": "".join(call.arguments)}
        for call in message.calls
    ]
    said: list[dict[str, object]] = [{"role": message.role, "content": message.text}]
    return [*(said if message.text or not calls else []), *calls]


def tool_use(call: WholeToolCall) -> dict[str, object]:
    """Return a call as a block of Anthropic's."""
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}


def _anthropic_blocks(messages: list[Message]) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    for message in messages:
        if message.role == "tool":
            blocks.append({"type": "tool_result", "tool_use_id": message.call_id, "content": message.text})
        elif message.text:
            blocks.append({"type": "text", "text": message.text})
        blocks += map(tool_use, message.calls)
    return blocks


def _gemini_parts(messages: list[Message], names: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the parts of a turn; `names` maps ids of calls to tools, by which Gemini identifies a result."""
    parts: list[dict[str, object]] = []
    for message in messages:
        if message.role == "tool":
            name = names.get(message.call_id, message.call_id)
            parts.append({"functionResponse": {"name": name, "response": {"result": message.text}}})
        elif message.text or not message.calls:
            parts.append({"text": message.text})
        parts += [{"functionCall": {"name": call.name, "args": arguments_of(call)}} for call in message.calls]
    return parts


def converse_call(call: WholeToolCall) -> dict[str, object]:
    """Return a call as a block of Bedrock's Converse."""
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": arguments_of(call)}}


def _converse_blocks(messages: list[Message]) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    for message in messages:
        if message.role == "tool":
            blocks.append({"toolResult": {"toolUseId": message.call_id, "content": [{"text": message.text}]}})
        elif message.text or not message.calls:
            blocks.append({"text": message.text})
        blocks += map(converse_call, message.calls)
    return blocks
