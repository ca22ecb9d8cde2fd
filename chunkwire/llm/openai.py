"""What OpenAI's chat completions and responses share: keys, and errors.

The rule here: `{"error": {"message", "type", "param", "code"}}`, and which kind is which type and code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.dialect import JSON, Dialect, Reply, json_reply
from chunkwire.llm.errors import STATUS_OF, retry_fields
from chunkwire.llm.question import Field, ModelRequest

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


def fields_for(key: str) -> tuple[Field, ...]:
    """Return the fields of a request beside its Content-Type; "" is no key."""
    accept = (b"accept", JSON)
    return (accept, (b"authorization", b"Bearer " + key.encode())) if key else (accept,)
