"""What OpenAI's chat completions and responses share: keys, and errors.

The rule here: `{"error": {"message", "type", "param", "code"}}`, and which kind is which type and code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.dialect import JSON, Dialect, Reply, json_reply
from chunkwire.llm.errors import STATUS_OF, retry_fields
from chunkwire.llm.question import Field, ModelRequest, Question, refuse
from chunkwire.llm.shape import at, text_at

_TYPE_AND_CODE: Final[Mapping[ErrorKind, tuple[str, str | None]]] = {
    ErrorKind.BAD_REQUEST: ("invalid_request_error", None),
    ErrorKind.WRONG_KEY: ("invalid_request_error", "invalid_api_key"),
    ErrorKind.FORBIDDEN: ("permission_error", None),
    ErrorKind.NOT_FOUND: ("invalid_request_error", "model_not_found"),
    ErrorKind.TOO_LARGE: ("invalid_request_error", "context_length_exceeded"),
    ErrorKind.RATE_LIMIT: ("requests", "rate_limit_exceeded"),
    ErrorKind.TIMEOUT: ("timeout_error", None),
    ErrorKind.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
}
_SERVER: Final = ("server_error", None)


def error_object(error: ProviderError) -> dict[str, object]:
    """Return what stands under `error` in a body, and in a chat stream."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return {"message": error.message, "type": kind, "param": None, "code": code}


def code_of(error: ProviderError) -> str:
    """Return the code of an error in a responses stream, where it is never null."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return code or kind


class OpenAIDialect(Dialect):
    """The part of a dialect that both share."""

    request_id_field = b"x-request-id"

    def key_of(self, request: ModelRequest) -> str | None:
        """Return the bearer token (RFC 6750 §2.1), or Azure's `api-key`."""
        scheme, _, token = (request.get(b"authorization") or b"").partition(b" ")
        key = token.strip() if scheme.lower() == b"bearer" else request.get(b"api-key") or b""
        return key.decode("latin-1") or None

    def write_error(self, error: ProviderError) -> Reply:
        """Return the response that refuses a request."""
        status = error.status or STATUS_OF[error.kind]
        return json_reply({"error": error_object(error)}, status, *retry_fields(error))


def schema_of(wish: object, *path: str) -> object:
    """Return the JSON Schema of a wished-for format, {} for any object, None for a text.

    Raises:
        RequestRefused: another format, or one without its schema.
    """
    match text_at(wish, "type"):
        case "" | "text":
            return None
        case "json_object":
            return {}
        case "json_schema" if isinstance(schema := at(wish, *path), dict):
            return schema
        case kind:
            raise refuse(f"format: expected text, json_object, or json_schema with a schema, got {kind!r:.60}")


def logprobs_of(tokens: Sequence[str], question: Question, *, is_refusal: bool = False) -> dict[str, object] | None:
    """Return the probabilities of tokens as chat completions have them, None where none are wished for."""
    found = token_logprobs(tokens, question)
    if found is None:
        return None
    return {"content": None if is_refusal else found, "refusal": found if is_refusal else None}


def token_logprobs(tokens: Sequence[str], question: Question) -> list[dict[str, object]] | None:
    """Return each token's probability, and those of as many others as are wished for: made up, the same each time."""
    if question.top_logprobs is None:
        return None
    return [
        {**_logprob(token, 0), "top_logprobs": [_logprob(token, rank) for rank in range(question.top_logprobs)]}
        for token in tokens
    ]


def _logprob(token: str, rank: int) -> dict[str, object]:
    other = token + "'" * rank
    return {"token": other, "logprob": logprob(rank), "bytes": list(other.encode())}


def logprob(rank: int) -> float:
    """Return the made-up log probability of a token: the chosen one has rank 0."""
    return -0.1 - rank


def fields_for(key: str) -> tuple[Field, ...]:
    """Return the fields of a request beside its Content-Type; "" is no key."""
    accept = (b"accept", JSON)
    return (accept, (b"authorization", b"Bearer " + key.encode())) if key else (accept,)
