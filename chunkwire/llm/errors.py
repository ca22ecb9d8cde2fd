"""Errors of providers: between HTTP statuses, the providers' own names, and `ErrorKind`.

The rule here: what the dialects' errors share. The names that only one provider uses stand in that provider's
file. What this module must not know: streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.question import Field
from chunkwire.llm.shape import at, glimpse, items_at, load_object, number_at, text_at

STATUS_OF: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.WRONG_KEY: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.SERVER: 500,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
    # Ours for what a provider's stream lacked: to a client of a mock they are the server's failure.
    ErrorKind.UNREACHABLE: 502,
    ErrorKind.NOT_A_STREAM: 500,
    ErrorKind.BROKEN: 500,
    ErrorKind.INCOMPLETE: 500,
}

_KIND_OF_STATUS: Final[Mapping[int, ErrorKind]] = {
    400: ErrorKind.BAD_REQUEST,
    401: ErrorKind.WRONG_KEY,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    413: ErrorKind.TOO_LARGE,
    424: ErrorKind.SERVER,  # Bedrock: the model failed while it answered
    429: ErrorKind.RATE_LIMIT,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,  # Anthropic
}

# The providers' own names, lower case, for errors inside a stream, where no status says it.
_KIND_OF_NAME: Final[Mapping[str, ErrorKind]] = {
    # OpenAI: code, else type
    "invalid_api_key": ErrorKind.WRONG_KEY,
    "model_not_found": ErrorKind.NOT_FOUND,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "insufficient_quota": ErrorKind.RATE_LIMIT,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "slow_down": ErrorKind.OVERLOADED,
    "service_unavailable_error": ErrorKind.OVERLOADED,
    "server_error": ErrorKind.SERVER,
    "context_length_exceeded": ErrorKind.TOO_LARGE,
    # Anthropic: type; the first of them is OpenAI's too
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "authentication_error": ErrorKind.WRONG_KEY,
    "permission_error": ErrorKind.FORBIDDEN,
    "not_found_error": ErrorKind.NOT_FOUND,
    "request_too_large": ErrorKind.TOO_LARGE,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "timeout_error": ErrorKind.TIMEOUT,
    "api_error": ErrorKind.SERVER,
    "overloaded_error": ErrorKind.OVERLOADED,
    # Gemini: status, out of google.rpc.Code, and a reason out of its details
    "invalid_argument": ErrorKind.BAD_REQUEST,
    "failed_precondition": ErrorKind.BAD_REQUEST,
    "unauthenticated": ErrorKind.WRONG_KEY,
    "api_key_invalid": ErrorKind.WRONG_KEY,
    "permission_denied": ErrorKind.FORBIDDEN,
    "not_found": ErrorKind.NOT_FOUND,
    "resource_exhausted": ErrorKind.RATE_LIMIT,
    "internal": ErrorKind.SERVER,
    "unavailable": ErrorKind.OVERLOADED,
    "deadline_exceeded": ErrorKind.TIMEOUT,
    # Bedrock: exception names
    "validationexception": ErrorKind.BAD_REQUEST,
    "unrecognizedclientexception": ErrorKind.WRONG_KEY,
    "accessdeniedexception": ErrorKind.FORBIDDEN,
    "resourcenotfoundexception": ErrorKind.NOT_FOUND,
    "throttlingexception": ErrorKind.RATE_LIMIT,
    "internalserverexception": ErrorKind.SERVER,
    "modelstreamerrorexception": ErrorKind.SERVER,
    "modelerrorexception": ErrorKind.SERVER,
    "serviceunavailableexception": ErrorKind.OVERLOADED,
    "modeltimeoutexception": ErrorKind.TIMEOUT,
}


def kind_of_status(status: int) -> ErrorKind:
    """Return what a response status means; any status has a meaning, 200 that of a body which is no stream."""
    if status < 400:
        return ErrorKind.NOT_A_STREAM
    return _KIND_OF_STATUS.get(status, ErrorKind.BAD_REQUEST if status < 500 else ErrorKind.SERVER)


def kind_of_name(*names: str) -> ErrorKind | None:
    """Return what the first known of a provider's own names means, None where none is known."""
    return next((kind for name in names if (kind := _KIND_OF_NAME.get(name.lower())) is not None), None)


def error_in(payload: object) -> ProviderError | None:
    """Return the error that a JSON payload carries as its `error` member, None where it carries none.

    OpenAI: {message, type, param, code}; Anthropic: {type, message}; Gemini: {code, message, status, details}.
    """
    error = at(payload, "error")
    if isinstance(error, str) and error:
        return ProviderError(ErrorKind.SERVER, error)
    if not isinstance(error, dict):
        return None
    reasons = [text_at(detail, "reason") for detail in items_at(error, "details")]
    names = [*reasons, text_at(error, "code"), text_at(error, "type"), text_at(error, "status")]
    status = number_at(error, "code")
    kind = kind_of_name(*names) or (kind_of_status(status) if status else ErrorKind.SERVER)
    message = text_at(error, "message") or next(filter(None, names), "the provider gave no reason")
    return ProviderError(kind, message, status)


def read_error(status: int, fields: tuple[Field, ...], body: bytes, *, name: str = "") -> ProviderError:
    """Return what a response that is no stream says.

    Args:
        name: the provider's own name of the error, where it stands outside of the body.
    """
    found: ProviderError | None = None
    message = f"expected a stream, got {glimpse(body.strip())}" if body.strip() else f"status {status} without a body"
    try:
        payload = load_object(body)
    except ValueError:
        payload = {}
    else:
        found = error_in(payload)
        message = text_at(payload, "message") or text_at(payload, "Message") or message
    if found is not None:
        message = found.message
    kind = kind_of_status(status)
    if kind in (ErrorKind.BAD_REQUEST, ErrorKind.NOT_A_STREAM, ErrorKind.FORBIDDEN):  # names may say more than these
        kind = kind_of_name(name) or (found.kind if found is not None else kind)
    return ProviderError(kind, message, status, _retry_after(fields))


def retry_fields(error: ProviderError) -> tuple[Field, ...]:
    """Return the response fields that say how long to wait; whole seconds, rounded up (RFC 9110 §10.2.3)."""
    if error.retry_after is None:
        return ()
    return ((b"retry-after", b"%d" % -int(-error.retry_after // 1)),)


def _retry_after(fields: tuple[Field, ...]) -> float | None:
    """Return the seconds to wait; None too where Retry-After is a date, since this room has no clock."""
    values = {name.lower(): value.strip() for name, value in fields}
    for name, unit in ((b"retry-after-ms", 1000.0), (b"retry-after", 1.0)):
        value = values.get(name, b"")
        if value.isdigit() and len(value) <= 9:
            return int(value) / unit
    return None
