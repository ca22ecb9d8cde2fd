"""What two of OpenAI's APIs, Chat Completions and Responses, share: keys, errors, roles, schemas, log probabilities.

The rule here: the body of an error is `{"error": {"message", "type", "param", "code"}}`, where `param` is null; a table
has type and code for some kinds of errors, and `server_error` is the type of the others.
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
    ErrorKind.RATE_LIMIT: ("requests", "rate_limit_exceeded"),  # the type is what the limit counts
    ErrorKind.TIMEOUT: ("timeout_error", None),
    ErrorKind.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
}
_SERVER: Final = ("server_error", None)
ROLES: Final[Mapping[str, Role]] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
CHAT_ROLES: Final[Mapping[str, Role]] = {**ROLES, "tool": "tool", "function": "tool"}


def error_object(error: ProviderError) -> dict[str, object]:
    """Return the object under `error` in the body of an error response, and in a stream of Chat Completions."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return {"message": error.message, "type": kind, "param": None, "code": code}


def code_of(error: ProviderError) -> str:
    """Return the code of an error in a stream of Responses, where it is never null."""
    kind, code = _TYPE_AND_CODE.get(error.kind, _SERVER)
    return code or kind


class OpenAIDialect(Dialect):
    """The common part of both APIs."""

    default_base = b"/v1"  # path of the requests that we send, as in the SDK's base_url
    request_fields = ((b"accept", JSON),)
    key_field = b"api-key"  # Azure's; OpenAI's own is a bearer token
    request_id_field = b"x-request-id"

    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the body of an error response; `status` is not in it."""
        return {"error": error_object(error)}


def message_of(item: object, where: str, roles: Mapping[str, Role] = ROLES) -> Message:
    """Return one message of a request.

    Args:
        where: its place in the body, for the error.

    Raises:
        RequestRefused: its role is not one of `roles`. Content of another form is no error: its text is "".
    """
    role = roles.get(text_at(item, "role"))
    if role is None:
        raise refuse(f"{where}.role: expected one of {', '.join(roles)}, got {at(item, 'role')!r:.60}")
    return Message(role, text_of(at(item, "content")))


def schema_of(answer_format: object, *path: str) -> object:
    """Return the JSON Schema of an answer; {} here stands for any object, None for a text, also without a `type`.

    Args:
        path: the keys that lead to the schema in the format.

    Raises:
        RequestRefused: the type is another one, or the schema is missing.
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
    """Return the member `logprobs` of a choice in Chat Completions; None if the question does not ask for it."""
    found = token_logprobs(tokens, question)
    if found is None:
        return None
    return {"content": None if is_refusal else found, "refusal": found if is_refusal else None}


def token_logprobs(tokens: Sequence[str], question: Question) -> list[dict[str, object]] | None:
    """Return made-up log probabilities of each token and its alternatives; None if the question does not ask for them.

    The first alternative is the token itself. A question may ask for log probabilities with 0 alternatives.
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
    """Return the made-up natural logarithm of a token's probability; the chosen token has rank 0.

    The probabilities of all ranks add up to less than 1.
    """
    return -0.1 - 3 * rank


def top_logprobs_of(body: object) -> int:
    """Return how many alternatives a body asks for, 0 by default; whether it asks for log probabilities is the API's.

    Raises:
        RequestRefused: no whole number from 0 to `MAX_TOP_LOGPROBS`.
    """
    value, number = at(body, "top_logprobs"), number_at(body, "top_logprobs")
    if value is not None and (number is None or not 0 <= number <= MAX_TOP_LOGPROBS):
        raise refuse(f"top_logprobs: expected a whole number from 0 to {MAX_TOP_LOGPROBS}, got {value!r:.60}")
    return number or 0
