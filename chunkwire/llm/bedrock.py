"""Bedrock: ConverseStream, and InvokeModelWithResponseStream for Anthropic's models, in binary messages.

The rule here: this module handles requests and writes answers; `bedrock_reading` reads answers, and `eventstream` has
the framing of the messages. AWS's SDKs sign requests with SigV4, which is not checked here; `build_request` sends a
Bedrock API key as a bearer token.

Converse gives one answer, without probabilities of tokens. In `inferenceConfig` every unknown member is refused;
in `additionalModelRequestFields` Anthropic's models refuse `n`, `logprobs`, `top_logprobs` and `response_format`.
`additionalModelResponseFieldPaths` selects members of the answer in Anthropic's form, such as `/stop_sequence`. They
come in `messageStop`, or in the body of a whole answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final
from urllib.parse import unquote

from chunkwire.llm import anthropic
from chunkwire.llm.answer import Answer, ErrorKind, ProviderError, StopReason
from chunkwire.llm.asking import converse_body, converse_call
from chunkwire.llm.bedrock_reading import BedrockReader, ConverseInterpreter
from chunkwire.llm.dialect import Dialect, Piece, Reply
from chunkwire.llm.errors import STATUS_OF, read_error
from chunkwire.llm.eventstream import encode_message
from chunkwire.llm.question import Field, ModelRequest, Question, refuse, tools_in, two_sided
from chunkwire.llm.shape import at, dump, items_at, load_object, number_at, text_at

EVENT_STREAM_TYPE: Final = b"application/vnd.amazon.eventstream"
_MESSAGES: Final = anthropic.AnthropicMessages()  # the form of InvokeModel's answers
_STOP_REASON: Final[Mapping[StopReason, str]] = {
    **anthropic.STOP_REASON,
    StopReason.FILTER: "content_filtered",
    StopReason.REFUSAL: "content_filtered",
}
_INFERENCE: Final = frozenset({"maxTokens", "temperature", "topP", "stopSequences"})
_EXCEPTION: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.BAD_REQUEST: "ValidationException",
    ErrorKind.WRONG_KEY: "UnrecognizedClientException",
    ErrorKind.FORBIDDEN: "AccessDeniedException",
    ErrorKind.NOT_FOUND: "ResourceNotFoundException",
    ErrorKind.TOO_LARGE: "ValidationException",
    ErrorKind.RATE_LIMIT: "ThrottlingException",
    ErrorKind.OVERLOADED: "ServiceUnavailableException",
    ErrorKind.TIMEOUT: "ModelTimeoutException",
}


class Bedrock(Dialect):
    """Under `POST /model/{id}/`: `converse`, `converse-stream`, `invoke` and `invoke-with-response-stream`."""

    name = "bedrock"
    path = re.compile(r"/model/.*/(?:converse|converse-stream|invoke|invoke-with-response-stream)\Z")
    build_body = staticmethod(converse_body)
    request_path = "model/{model}/converse-stream"
    whole_path = "model/{model}/converse"
    call_prefix = "tooluse_"
    request_id_field = b"x-amzn-requestid"
    statuses: ClassVar = {**STATUS_OF, ErrorKind.WRONG_KEY: 403, ErrorKind.TOO_LARGE: 400, ErrorKind.TIMEOUT: 408}
    keep_alive = None  # the event stream has no message for it
    interpreter = ConverseInterpreter

    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is a whole answer of Converse; the binary messages have their own Content-Type."""
        return "stopReason" in payload and isinstance(payload.get("output"), dict)

    def key_of(self, request: ModelRequest) -> str | None:
        """Return the access key id of SigV4, whose secret is not sent, or the bearer token; None for neither."""
        scheme, _, signature = (request.get(b"authorization") or b"").partition(b" ")
        if scheme.upper() == b"AWS4-HMAC-SHA256":
            return signature.partition(b"Credential=")[2].partition(b"/")[0].strip().decode("latin-1") or None
        return request.bearer or None

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        rest, _, operation = request.path.rpartition("/")
        model = unquote(rest.rpartition("/model/")[2].encode("latin-1"))
        is_stream = operation in ("converse-stream", "invoke-with-response-stream")
        body = request.body_object()
        paths = items_at(body, "additionalModelResponseFieldPaths")
        if operation.startswith("invoke"):
            if "anthropic_version" not in body:
                raise refuse("anthropic_version: required; InvokeModel is answered for Anthropic's models alone")
            return replace(anthropic.parse_body(body, model=model), is_stream=is_stream, form="invoke")
        inference = at(body, "inferenceConfig")
        for name in inference if isinstance(inference, dict) else ():
            if name not in _INFERENCE:
                raise refuse(
                    f"Malformed input request: #/inferenceConfig: extraneous key [{name:.60}] is not permitted"
                )
        thinking = at(body, "additionalModelRequestFields")
        anthropic.refuse_foreign(thinking, "The model returned the following errors: ")
        question = Question(
            model,
            tuple(two_sided(body, lambda block: isinstance(at(block, "toolResult"), dict))),
            tools_in((at(tool, "toolSpec") for tool in items_at(body, "toolConfig", "tools")), "inputSchema", "json"),
            is_stream=is_stream,
            max_tokens=number_at(body, "inferenceConfig", "maxTokens"),
            wants_reasoning=any(
                text_at(thinking, key, "type") in anthropic.THINKS for key in ("thinking", "reasoning_config")
            ),
            schema=_schema(at(body, "outputConfig", "textFormat")),
            native_fields=tuple(_pointer(path) for path in paths),
        )
        choice = at(body, "toolConfig", "toolChoice")
        named = text_at(choice, "tool", "name")
        return question.choosing("required" if at(choice, "any") is not None or named else "auto", named)

    def reader(self) -> BedrockReader:
        """Return a reader for one answer."""
        return BedrockReader()

    def read_error(
        self, status: int, fields: tuple[Field, ...], body: bytes, now: float | None = None
    ) -> ProviderError:
        """Return the error in an error response; the exception's name is in a field."""
        names = [value for name, value in fields if name.lower() == b"x-amzn-errortype"]
        name = (names or [b""])[0].partition(b":")[0].decode("latin-1")
        return read_error(status, fields, body, name=name, now=now)

    def stream_type(self, question: Question) -> bytes:
        """Return the Content-Type of the stream."""
        return EVENT_STREAM_TYPE

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per message; see `Dialect`."""
        pieces: list[Piece] = []
        if question.form == "invoke":
            for payload, is_token in _MESSAGES.payloads(answer, question):
                if payload["type"] != "error":
                    wrapped = {"bytes": base64.b64encode(dump(payload).encode()).decode()}
                    pieces.append(Piece(_message("event", "chunk", wrapped), is_token))
        else:
            events = _events(answer, question)
            pieces += [Piece(_message("event", name, payload), is_token) for name, payload, is_token in events]
        if answer.error is not None:
            name = _exception_name(answer.error)
            name = name[0].lower() + name[1:]
            pieces.append(Piece(_message("exception", name, self.error_body(answer.error, 0))))
        return pieces

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
        if question.form == "invoke":
            return _MESSAGES.whole(answer, question)
        content: list[object] = []
        if answer.reasoning:
            thought = {"text": "".join(answer.reasoning), "signature": anthropic.SIGNATURE}
            content.append({"reasoningContent": {"reasoningText": thought}})
        if answer.text:
            content.append({"text": "".join(answer.text)})
        content += map(converse_call, answer.tool_calls)
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            **_stop(answer, question),
            **_metadata(answer),
        }

    def write_error(self, error: ProviderError) -> Reply:
        """Return the response that refuses a request; the exception's name is in a field."""
        reply = super().write_error(error)
        return replace(reply, fields=(*reply.fields, (b"x-amzn-errortype", _exception_name(error).encode())))

    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the body of an error response."""
        return {"message": error.message}


def _events(answer: Answer, question: Question) -> Iterator[tuple[str, dict[str, object], bool]]:
    """Yield each event's name and payload, and its `Piece.is_token`."""
    yield "messageStart", {"role": "assistant"}, False
    index = 0
    for text in answer.reasoning:
        delta: dict[str, object] = {"reasoningContent": {"text": text}}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, True
    if answer.reasoning:
        delta = {"reasoningContent": {"signature": anthropic.SIGNATURE}}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, False
        yield "contentBlockStop", {"contentBlockIndex": index}, False
        index += 1
    for text in answer.text:
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": text}}, True
    if answer.text and (answer.error is None or answer.tool_calls):
        yield "contentBlockStop", {"contentBlockIndex": index}, False
        index += 1
    for call in answer.tool_calls:
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}, True
        for more in call.arguments:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": more}}}, True
        yield "contentBlockStop", {"contentBlockIndex": index}, False
        index += 1
    if answer.error is None:
        yield "messageStop", _stop(answer, question), False
        yield "metadata", _metadata(answer), False


def _stop(answer: Answer, question: Question) -> dict[str, object]:
    """Return the stop reason, and the members of the answer in Anthropic's form that the request selects."""
    native = _MESSAGES.whole(answer, question) if question.native_fields else {}
    found: dict[str, object] = {}
    for path in question.native_fields:
        *places, name = path[1:].split("/")
        if isinstance(holder := at(native, *places), dict) and name in holder:
            inner = found
            for place in places:
                inner = inner.setdefault(place, {})  # type: ignore[assignment]
            inner[name] = holder[name]
    fields = {"additionalModelResponseFields": found} if found else {}
    return {"stopReason": _STOP_REASON.get(answer.stop, "end_turn"), **fields}


def _pointer(path: object) -> str:
    """Return a path that is a JSON Pointer.

    Raises:
        RequestRefused: it is another value.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise refuse(
            f"additionalModelResponseFieldPaths: expected JSON Pointers such as /stop_sequence, got {path!r:.60}"
        )
    return path


def _schema(text_format: object) -> object:
    """Return the JSON Schema that the answer must fit, which a request has as a string; None for a text.

    Raises:
        RequestRefused: another format, or a schema that is no JSON object.
    """
    if text_format is None:
        return None
    if text_at(text_format, "type") != "json_schema":
        raise refuse(f"outputConfig.textFormat.type: expected json_schema, got {at(text_format, 'type')!r:.60}")
    try:
        return load_object(text_at(text_format, "structure", "jsonSchema", "schema"))
    except ValueError as error:
        raise refuse(f"outputConfig.textFormat.structure.jsonSchema.schema: {error}") from error


def _metadata(answer: Answer) -> dict[str, object]:
    usage = {
        "inputTokens": answer.usage.prompt,
        "outputTokens": answer.usage.completion,
        "totalTokens": answer.usage.total,
        **({"cacheReadInputTokens": answer.usage.cached} if answer.usage.cached else {}),
    }
    return {"usage": usage, "metrics": {"latencyMs": answer.latency_ms}}


def _message(kind: str, name: str, payload: Mapping[str, object]) -> bytes:
    """Return a message; `kind` is event or exception."""
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return encode_message(headers, dump(payload).encode())


def _exception_name(error: ProviderError) -> str:
    return _EXCEPTION.get(error.kind, "InternalServerException")
