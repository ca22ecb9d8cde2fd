"""What OpenAI's chat completions and responses share: keys, errors, roles, schemas, log probabilities.

The rule here: an error is `{"error": {"message", "type", "param", "code"}}`; a table gives type and code by kind, and
`server_error` is for the kinds that it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.dialect import JSON, Dialect
from chunkwire.llm.question import Message, Question, Role, refuse, text_of
from chunkwire.llm.shape import at, number_at, text_at

MAX_TOP_LOGPROBS: Final = 20  # as OpenAI
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
ROLES: Final[Mapping[str, Role]] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
CHAT_ROLES: Final[Mapping[str, Role]] = {**ROLES, "tool": "tool", "function": "tool"}


def error_object(error: ProviderError) -> dict[str, object]:
    """Return the object under `error` in a body, and in a chat stream."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return {"message": error.message, "type": kind, "param": None, "code": code}


def code_of(error: ProviderError) -> str:
    """Return the code of an error in a responses stream, where it is never null."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return code or kind


class OpenAIDialect(Dialect):
    """The common part of both APIs."""

    default_base = b"/v1"  # of requests that are sent; the SDK's base_url ends in it
    request_fields = ((b"accept", JSON),)
    key_field = b"api-key"  # Azure's
    request_id_field = b"x-request-id"

    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the body of a refusal."""
        return {"error": error_object(error)}


def message_of(item: object, where: str, roles: Mapping[str, Role] = ROLES) -> Message:
    """Return one message of a request.

    Args:
        where: its place in the body, for the error.

    Raises:
        RequestRefused: its role is not one of `roles`.
    """
    role = roles.get(text_at(item, "role"))
    if role is None:
        raise refuse(f"{where}.role: expected one of {', '.join(roles)}, got {at(item, 'role')!r:.60}")
    return Message(role, text_of(at(item, "content")))


def schema_of(answer_format: object, *path: str) -> object:
    """Return the JSON Schema that the answer must fit, {} for any object, None for a text.

    Args:
        path: of the schema in the format.

    Raises:
        RequestRefused: another format, or one without its schema.
    """
    match text_at(answer_format, "type"):
        case "" | "text":
            return None
        case "json_object":
            return {}
        case "json_schema" if isinstance(schema := at(answer_format, *path), dict):
            return schema
        case kind:
            raise refuse(f"format: expected text, json_object, or json_schema with a schema, got {kind!r:.60}")


def logprobs_of(tokens: Sequence[str], question: Question, *, is_refusal: bool = False) -> dict[str, object] | None:
    """Return the member `logprobs` of a choice in chat completions, None where the question asks for none."""
    found = token_logprobs(tokens, question)
    if found is None:
        return None
    return {"content": None if is_refusal else found, "refusal": found if is_refusal else None}


def token_logprobs(tokens: Sequence[str], question: Question) -> list[dict[str, object]] | None:
    """Return made-up log probabilities of each token and of its alternatives; None where the question asks for none.

    The first alternative is the token itself.
    """
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


def top_logprobs_of(body: object) -> int:
    """Return how many alternatives to list for each token, 0 where the body does not say.

    Raises:
        RequestRefused: no whole number from 0 to `MAX_TOP_LOGPROBS`.
    """
    value, number = at(body, "top_logprobs"), number_at(body, "top_logprobs")
    if value is not None and (number is None or not 0 <= number <= MAX_TOP_LOGPROBS):
        raise refuse(f"top_logprobs: expected a whole number from 0 to {MAX_TOP_LOGPROBS}, got {value!r:.60}")
    return number or 0
