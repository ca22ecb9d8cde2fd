"""Read errors of providers: HTTP statuses, the providers' own names, and texts become a `ProviderError`.

The rule here: every shape in which providers, proxies and local servers send errors. The kind follows from the status,
or from a name where that says more; never from a text. The names that a provider's mock writes stand in that provider's
file. What this module must not know: streams, clocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Final

from chunkwire.llm.answer import AtFault, ErrorKind, ProviderError
from chunkwire.llm.question import Field
from chunkwire.llm.shape import at, glimpse, items_at, load_values, number_at, text_at

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
    # Only a reader reports these. A mock that is set to fail with one answers as a server that failed.
    ErrorKind.UNREACHABLE: 502,
    ErrorKind.NOT_A_STREAM: 500,
    ErrorKind.BROKEN: 500,
    ErrorKind.INCOMPLETE: 500,
    ErrorKind.EMPTY: 500,
}

_KIND_OF_STATUS: Final[Mapping[int, ErrorKind]] = {
    400: ErrorKind.BAD_REQUEST,
    401: ErrorKind.WRONG_KEY,
    402: ErrorKind.FORBIDDEN,  # no credit left: OpenRouter, DeepSeek
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.NOT_FOUND,  # a path of some other service
    407: ErrorKind.FORBIDDEN,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.SERVER,  # a conflict inside of it: the SDKs try again
    413: ErrorKind.TOO_LARGE,
    421: ErrorKind.SERVER,
    424: ErrorKind.SERVER,  # Bedrock: the model failed while it answered
    425: ErrorKind.OVERLOADED,
    429: ErrorKind.RATE_LIMIT,
    451: ErrorKind.FORBIDDEN,
    498: ErrorKind.OVERLOADED,  # Groq: no capacity for its flex tier
    499: ErrorKind.SERVER,  # nginx: the client in front of the model closed
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    522: ErrorKind.TIMEOUT,  # Cloudflare
    524: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,  # Anthropic
}
# The providers' own names of errors, lower case; one table for all, since proxies pass on the names of others.
_NAMES: Final[Mapping[ErrorKind, str]] = {
    # OpenAI's and Azure's codes and types; Anthropic's types; google.rpc.Code; Bedrock's exceptions; then the class
    # names of LiteLLM and vLLM, the types of llama.cpp and TGI, the codes of Groq, Mistral, Moonshot, Z.ai, DashScope.
    ErrorKind.BAD_REQUEST: """
        invalid_request_error content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt
        unsupported_parameter unknown_parameter unsupported_value invalid_value missing_required_parameter
        invalid_type invalid_argument failed_precondition out_of_range unimplemented validationexception
        badrequesterror unprocessableentityerror contentpolicyviolationerror unsupportedparamserror
        not_supported_error validation invalid_request invalidparameter data_inspection_failed
        datainspectionfailed""",
    ErrorKind.WRONG_KEY: """
        invalid_api_key authentication_error unauthenticated api_key_invalid unrecognizedclientexception
        expiredtokenexception invalidsignatureexception missingauthenticationtokenexception
        incompletesignatureexception authenticationerror unauthorizederror invalid_authentication_error
        incorrect_api_key_error unauthorized invalidapikey""",
    ErrorKind.FORBIDDEN: """
        permission_error billing_error permission_denied accessdeniedexception permissiondeniederror
        account_deactivated insufficient_permissions arrearage""",
    ErrorKind.NOT_FOUND: """
        model_not_found not_found_error not_found resourcenotfoundexception notfounderror deploymentnotfound""",
    ErrorKind.TOO_LARGE: """
        context_length_exceeded string_above_max_length request_too_large contextwindowexceedederror
        exceed_context_size_error payload_too_large""",
    ErrorKind.RATE_LIMIT: """
        rate_limit_exceeded insufficient_quota billing_hard_limit_reached rate_limit_error resource_exhausted
        throttlingexception toomanyrequestsexception servicequotaexceededexception ratelimiterror
        exceeded_current_quota_error rate_limit_reached_error too_many_requests rate_limited throttling
        throttling.ratequota throttling.allocationquota throttling.burstrate""",
    ErrorKind.SERVER: """
        server_error api_error internal internal_error internalserverexception modelstreamerrorexception
        modelerrorexception internalservererror apierror generation incomplete_generation internal_server_error
        data_loss""",
    ErrorKind.OVERLOADED: """
        server_is_overloaded slow_down service_unavailable_error overloaded_error unavailable
        serviceunavailableexception modelnotreadyexception serviceunavailableerror unavailable_error overloaded
        over_capacity engine_overloaded engine_overloaded_error capacity_exceeded model_overloaded
        service_unavailable insufficient_system_resource""",
    ErrorKind.TIMEOUT: """
        timeout_error deadline_exceeded modeltimeoutexception timeout request_timeout apitimeouterror""",
    ErrorKind.UNREACHABLE: "apiconnectionerror",
}
_KIND_OF_NAME: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}

REASON_CHARACTERS: Final = 1000  # of one reason; providers' own are shorter, a page of HTML is not
NO_REASON: Final = "the provider gave no reason"
REDACTED: Final = "[redacted]"
_MIN_KEY_CHARACTERS: Final = 4  # a shorter key in use would remove common words

# Keys of known providers, masked ones (sk-abc***xyz) too; then tokens after the name of a credential.
_CREDENTIAL: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|pplx|fw|csk|nvapi|tgp|ghp|gho|ghs|github_pat|glpat|xox[a-z]|r8|dop_v1)[-_]"
    r"[A-Za-z0-9_*.…\-]{8,}"
    r"|\bAIza[A-Za-z0-9_*\-]{10,}|\bya29\.[A-Za-z0-9_*.\-]{8,}|\b(?:AKIA|ASIA|ABSK)[A-Za-z0-9+/=*]{8,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,2}"
)
_NAMED_CREDENTIAL: Final = re.compile(
    r"""(?ix)
    (\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic)?\s*
    |\b(?:bearer|basic)\s+(?=\S*[\d*_\-=.])
    |(?:\b|_)(?:x-)?(?:goog-)?(?:api[-_ ]?key|secret(?:[-_ ]?key)?|access[-_ ]?(?:key|token)|auth[-_ ]?token|password)
     \b["']?\s*(?:provided)?\s*[:=]\s*["']?
    |[?&](?:key|token|sig|signature)=)
    (?!\[redacted\])[^\s"'&,;<>]{4,}
    """
)
# The members that may have an error's text, the best ones first.
_TEXT_KEYS: Final = (
    *("message", "Message", "msg", "error_msg", "detail", "error_description", "errorMessage", "status_msg"),
    *("faultstring", "reason", "error", "errors", "fault", "title", "type", "code"),
)
# Members of answers, not of errors.
_ANSWER_KEYS: Final = frozenset(
    {"choices", "candidates", "output", "content", "usageMetadata", "promptFeedback", "response"}
)
_STATUS_KEYS: Final = ("code", "status", "status_code", "statusCode", "http_status_code", "http_status")
_WORD_KEYS: Final = ("detail", "fault", "error_code", "error_msg")
_ERROR_KEYS: Final = frozenset({*_STATUS_KEYS, *_WORD_KEYS, "errors", "message", "success"})
# Members of a stream's objects beside `message`; a gateway's error has none of them.
_EVENT_KEYS: Final = ("type", "object", "id", "usage", "event", "model")
# Linear in the text, which may be hostile: a branch takes all up to its end, or fails at the next `<`.
_TAG: Final = re.compile(r"(?is)<(script|style)\b.*?(?:</\1\s*+>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*+>")
_TITLE: Final = re.compile(r"(?is)<title[^<>]*+>([^<]*+)</title")
_FIRST_NAME: Final = re.compile(r"[.\[].*")  # the rest after the member in `messages[0].role`
# The optional members of a request that providers are known to refuse.
_PARAMETER: Final = re.compile(
    r"\b(?:stream_options|max_completion_tokens|max_output_tokens|max_tokens|top_p|top_k|temperature|tool_choice"
    r"|parallel_tool_calls|response_format|reasoning_effort)\b"
)
_NO_STREAMS: Final = re.compile(
    r"(?i)\bstream(?:ing)?\b[^.]*\b(?:not|unsupported|disabled)\b|\b(?:not|cannot)\b[^.]*\bstream(?:ing)?\b"
)


def kind_of_status(status: int) -> ErrorKind:
    """Return the kind of any response status; below 400, the body is no stream."""
    if status < 400:
        return ErrorKind.NOT_A_STREAM
    return _KIND_OF_STATUS.get(status, ErrorKind.BAD_REQUEST if status < 500 else ErrorKind.SERVER)


def kind_of_name(*names: str) -> ErrorKind | None:
    """Return the kind of the first known name, None where none is known."""
    bare = (name.lower().rpartition("#")[2] for name in names)  # AWS puts a namespace before it
    return next((kind for name in bare if (kind := _KIND_OF_NAME.get(name)) is not None), None)


def redacted(text: str, keys: Iterable[str] = ()) -> str:
    """Return a text in which keys, and what looks like a credential, are replaced by `REDACTED`.

    Args:
        keys: those in use; one of fewer than 4 characters is ignored.
    """
    for key in sorted((key for key in keys if len(key) >= _MIN_KEY_CHARACTERS), key=len, reverse=True):
        text = text.replace(key, REDACTED)
    text = _CREDENTIAL.sub(REDACTED, text)
    return _NAMED_CREDENTIAL.sub(lambda found: found[1] + REDACTED, text)


def error_in(payload: object) -> ProviderError | None:
    """Return the error in a JSON payload, None where there is none.

    OpenAI: {error: {message, type, param, code}}; Anthropic: {error: {type, message}}; Gemini: {error: {code, message,
    status, details}}; vLLM: {object: "error", message, type, code}; TGI: {error: TEXT, error_type}; FastAPI: {detail};
    Cloudflare: {success: false, errors: [{code, message}]}; Azure's gateway: {statusCode, message}.
    """
    error = _part(payload)
    return None if error is None else _error_of(error, payload)


def error_of_event(data: str) -> ProviderError:
    """Return the error in the data of an event called `error`, JSON or not."""
    try:
        payload = load_values(data)[0]
    except ValueError:
        payload = data
    return error_in(payload) or _error_of(payload, payload)


def read_error(
    status: int, fields: tuple[Field, ...], body: bytes, *, name: str = "", now: float | None = None
) -> ProviderError:
    """Return the error in a response that is no answer.

    Args:
        name: the provider's own name of the error, where it is not in the body.
        now: Unix seconds, for a Retry-After that is a date; the response's Date has precedence.
    """
    wait = retry_after(fields, now)
    try:
        payload = load_values(body)[0]
    except ValueError:
        return ProviderError(_kind(status, kind_of_name(name)), _page(status, body), status, wait, is_ours=True)
    if isinstance(payload, list) and len(payload) == 1:  # Gemini's array form
        payload = payload[0]
    error = _part(payload)
    found = _error_of(payload if error is None else error, payload, status, name)
    if found.message == NO_REASON and error is None:
        found = replace(found, message=f"expected an answer, got {glimpse(body.strip(), REASON_CHARACTERS)}")
    return found if wait is None else replace(found, retry_after=wait)


def retry_after(fields: tuple[Field, ...], now: float | None = None) -> float | None:
    """Return the seconds that a response asks to wait, which may be a fraction; None where it does not.

    Retry-After-Ms (OpenAI, Azure) has precedence over Retry-After (RFC 9110 §10.2.3).

    Args:
        now: as of `read_error`.
    """
    values = {name.lower(): value.strip().decode("latin-1") for name, value in fields}
    for name, unit in ((b"retry-after-ms", 1000.0), (b"retry-after", 1.0)):
        if (seconds := _seconds(values.get(name, ""))) is not None:
            return seconds / unit
    moment, sent = _moment(values.get(b"retry-after", "")), _moment(values.get(b"date", ""))
    start = now if sent is None else sent
    return None if moment is None or start is None else max(0.0, moment - start)


def retry_fields(error: ProviderError) -> tuple[Field, ...]:
    """Return a Retry-After of whole seconds, rounded up (RFC 9110 §10.2.3); nothing for an error without one."""
    if error.retry_after is None:
        return ()
    return ((b"retry-after", b"%d" % -int(-error.retry_after // 1)),)


def reason_in(value: object, *, depth: int = 4) -> str:
    """Return the text of an error of any shape, "" where it has none within `depth` levels of arrays and objects."""
    if isinstance(value, str):
        return " ".join(text_at([value], 0).split()) if value != "error" else ""
    if isinstance(value, list):
        reasons = (reason_in(item, depth=depth - 1) for item in value[:8] if depth)
        return "; ".join(filter(None, reasons))
    if not isinstance(value, dict) or not depth:
        return ""
    found = next(filter(None, (reason_in(value.get(key), depth=depth - 1) for key in _TEXT_KEYS)), "")
    raw = reason_in(at(value, "metadata", "raw"))  # OpenRouter: what the provider behind it said
    place = ".".join(str(step) for step in items_at(value, "loc"))  # pydantic, so FastAPI
    return ": ".join(filter(None, (place, found, raw)))


def _part(payload: object) -> object:
    """Return the part of a payload that is an error, None for none."""
    if not isinstance(payload, dict):
        return None
    error, is_answer = payload.get("error"), not _ANSWER_KEYS.isdisjoint(payload)
    if error and not (is_answer and isinstance(error, dict) and not any(error.values())):  # One API: an empty form
        return error
    if isinstance(error, dict) and not is_answer:
        return error
    if "base_resp" in payload and number_at(payload, "base_resp", "status_code"):  # MiniMax; 0 is none
        return payload["base_resp"]
    if "error" in (payload.get("object"), payload.get("type")):
        return payload
    may_be_one = not is_answer and not _ERROR_KEYS.isdisjoint(payload)
    return payload if may_be_one and _is_error(payload) else None


def _error_of(error: object, around: object, status: int | None = None, name: str = "") -> ProviderError:
    """Return an error with the provider's own text.

    Args:
        around: the object that contains it.
        status: of the response; None in a stream, where the error may have one itself.
    """
    reasons = [text_at(detail, "reason") for detail in items_at(error, "details")]
    keys = ("code", "type", "status", "error_type", "name", "__type")
    named = kind_of_name(name, *reasons, *(text_at(value, key) for value in (error, around) for key in keys))
    inner = _status(error) or _status(around)
    if inner is not None:
        named = _kind(inner, named)
    kind = (named or ErrorKind.SERVER) if status is None else _kind(status, named)
    message = (reason_in(error) or reason_in(around) or NO_REASON)[:REASON_CHARACTERS]
    return ProviderError(kind, message, status or inner, _delay(error), parameter=_parameter(error, message, kind))


def _kind(status: int, named: ErrorKind | None) -> ErrorKind:
    """Return the kind of a status, or the named one where that says more."""
    kind = kind_of_status(status)
    if named is None:
        return kind
    says_more = status <= 400
    if status == 403:
        says_more = named in (ErrorKind.WRONG_KEY, ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED)
    elif status >= 500:
        says_more = named is ErrorKind.TIMEOUT or named.at_fault is AtFault.OVERLOAD
    return named if says_more else kind


def _status(value: object) -> int | None:
    """Return the HTTP status in an error."""
    for key in _STATUS_KEYS:
        number = number_at(value, key)
        if number is None and text_at(value, key).isdecimal():
            number = int(text_at(value, key)[:9])
        if number is not None and 400 <= number <= 599:
            return number
    return None


def _is_error(payload: dict[str, object]) -> bool:
    """Say whether an object without a member `error`, and which is no answer, is an error."""
    has_list = bool(items_at(payload, "errors"))
    has_word = any(payload.get(key) for key in _WORD_KEYS)
    is_fine = payload.get("success") is True or any(number_at(payload, key) in (0, 200) for key in _STATUS_KEYS)
    is_bare = not is_fine and text_at(payload, "message") != "" and not any(key in payload for key in _EVENT_KEYS)
    is_said = payload.get("success") is False or _status(payload) is not None
    return has_list or has_word or is_bare or is_said


def _delay(error: object) -> float | None:
    """Return the seconds of Gemini's RetryInfo (google.rpc), `{"retryDelay": "34.1s"}`."""
    delays = (text_at(detail, "retryDelay").removesuffix("s") for detail in items_at(error, "details"))
    return next((seconds for delay in delays if (seconds := _seconds(delay)) is not None), None)


def _parameter(error: object, message: str, kind: ErrorKind) -> str:
    """Return the member of the request that is refused, from the error's members or from its message; "" for none."""
    if named := text_at(error, "param"):
        return _FIRST_NAME.sub("", named)
    details = error if isinstance(error, list) else items_at(error, "detail") or items_at(error, "message", "detail")
    places = [items_at(item, "loc") for item in details]
    for place in places:
        steps = [step for step in place if isinstance(step, str) and step != "body"]
        if steps:
            return steps[0]
    if kind.at_fault is not AtFault.CALLER:
        return ""
    named_in = _PARAMETER.search(message)
    return named_in[0] if named_in is not None else "stream" if _NO_STREAMS.search(message) else ""


def _page(status: int, body: bytes) -> str:
    """Return the message for a body that is no JSON, with a page's title and text, or with the body itself."""
    text = body.decode("utf-8", "replace")
    if not text.strip():
        return f"status {status} without a body"
    title = _TITLE.search(text)
    is_page = text.lstrip("\ufeff \r\n\t").startswith("<")
    words = " ".join(_TAG.sub(" ", text).split()) if is_page else " ".join(text.split())
    if is_page and title is not None and not words.startswith(" ".join(title[1].split())):
        words = f"{' '.join(title[1].split())}: {words}"
    start = "expected a stream, got" if status < 400 else f"status {status} with"
    return f"{start} {'a page of HTML' if is_page else 'a text'}: {words[:REASON_CHARACTERS]!r}"


def _seconds(text: str) -> float | None:
    is_number = text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit()
    return float(text) if is_number and len(text) <= 12 else None


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
