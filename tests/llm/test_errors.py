"""Whose fault an error is, what its reason is, and that no credential leaves with it."""

import json

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import MAX_MESSAGE_CHARACTERS, AtFault, ErrorKind, ProviderError
from chunkwire.llm.errors import REASON_CHARACTERS, REDACTED, kind_of_status, redacted

REASON = b"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: refused"
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}


def refused(status: int, body: object, dialect: str = "openai") -> ProviderError:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECTS[dialect].read_error(status, (), octets)


def test_a_message_is_one_line_that_prints_and_has_an_end() -> None:
    assert ProviderError(ErrorKind.SERVER, "a\r\nforged line\x1b[31m").message == "a forged line [31m"
    assert ProviderError(ErrorKind.SERVER, "two  blanks, ü").message == "two  blanks, ü"
    assert len(ProviderError(ErrorKind.SERVER, "x" * 100_000).message) == MAX_MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    "status, body, kind, at_fault",
    [
        (400, FILTERED, ErrorKind.BAD_REQUEST, AtFault.CALLER),
        (400, {"error": {"message": "no", "type": None, "code": None}}, ErrorKind.BAD_REQUEST, AtFault.CALLER),
        (400, {"error": "no such thing"}, ErrorKind.BAD_REQUEST, AtFault.CALLER),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, ErrorKind.BAD_REQUEST, AtFault.CALLER),
        (400, {"error": {"code": "context_length_exceeded"}}, ErrorKind.TOO_LARGE, AtFault.CALLER),
        (413, b"<html>too large</html>", ErrorKind.TOO_LARGE, AtFault.CALLER),
        (401, {"error": {"type": "invalid_request_error"}}, ErrorKind.WRONG_KEY, AtFault.AUTH),
        (402, {"error": {"message": "Insufficient Balance"}}, ErrorKind.FORBIDDEN, AtFault.AUTH),
        (403, {"message": "blocked"}, ErrorKind.FORBIDDEN, AtFault.AUTH),
        (404, {"error": {"code": "DeploymentNotFound"}}, ErrorKind.NOT_FOUND, AtFault.PROVIDER),
        (429, {"error": {"code": "insufficient_quota"}}, ErrorKind.RATE_LIMIT, AtFault.OVERLOAD),
        (498, {}, ErrorKind.OVERLOADED, AtFault.OVERLOAD),
        (500, {"error": {"type": "server_error"}}, ErrorKind.SERVER, AtFault.PROVIDER),
        (500, {"error": {"code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMIT, AtFault.OVERLOAD),
        (500, {"error": {"type": "invalid_request_error"}}, ErrorKind.SERVER, AtFault.PROVIDER),
        (
            503,
            {"error": {"message": "Loading model", "type": "unavailable_error"}},
            ErrorKind.OVERLOADED,
            AtFault.OVERLOAD,
        ),
        (524, b"", ErrorKind.TIMEOUT, AtFault.PROVIDER),
        (200, {"error": {"code": 429, "message": "later"}}, ErrorKind.RATE_LIMIT, AtFault.OVERLOAD),
        (200, {"error": {"code": "400", "message": "no"}}, ErrorKind.BAD_REQUEST, AtFault.CALLER),
        (200, {"statusCode": 429, "message": "Try again in 2 seconds."}, ErrorKind.RATE_LIMIT, AtFault.OVERLOAD),
    ],
)
def test_an_error_is_whose_fault_its_status_and_name_say(
    status: int, body: object, kind: ErrorKind, at_fault: AtFault
) -> None:
    error = refused(status, body)
    assert (error.kind, error.kind.at_fault, error.is_ours) == (kind, at_fault, isinstance(body, bytes))
    assert error.is_callers_fault == (at_fault is AtFault.CALLER)
    assert error.is_retryable == (at_fault in (AtFault.PROVIDER, AtFault.OVERLOAD) and status != 404)


def test_every_status_has_a_kind_and_every_kind_is_somebodys_fault() -> None:
    assert all(kind_of_status(status) for status in range(100, 600))
    assert {kind.at_fault for kind in ErrorKind} == set(AtFault)


@pytest.mark.parametrize(
    "body, reason",
    [
        (FILTERED, FILTERED["error"]["message"]),
        ({"error": "Model too busy", "estimated_time": 20.0}, "Model too busy"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}, {"msg": "and"}]}, "body.n: too many; and"),
        ({"success": False, "errors": [{"code": 7003, "message": "Could not route"}]}, "Could not route"),
        ({"fault": {"faultstring": "Quota violated"}}, "Quota violated"),
        ({"error": {"message": "Provider error", "metadata": {"raw": "too hot"}}}, "Provider error: too hot"),
        ({"title": "Payment required", "detail": "Add credit.", "status": 402}, "Add credit."),
        ({"error": {}}, "the provider gave no reason"),
        ({"a": 1}, "expected an answer, got '{\"a\": 1}'"),
        (REASON, f"status 400 with a text: {REASON.decode()!r}"),
    ],
)
def test_a_reason_is_found_in_each_shape_and_not_cut_before_its_end(body: object, reason: str) -> None:
    assert refused(400, body).message == reason


def test_a_reason_is_cut_at_its_limit_and_not_before() -> None:
    assert len(refused(400, {"error": "x" * REASON_CHARACTERS}).message) == REASON_CHARACTERS
    assert len(refused(400, {"error": "x" * (REASON_CHARACTERS + 1)}).message) == REASON_CHARACTERS


@pytest.mark.parametrize(
    "body, parameter",
    [
        ({"error": {"message": "Unsupported", "param": "max_tokens"}}, "max_tokens"),
        ({"error": {"message": "bad role", "param": "messages[0].role"}}, "messages"),
        ({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}, "stream_options"),
        ({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, "stream_options"),
        ({"error": "stream_options.include_usage: unknown field"}, "stream_options"),
        ({"error": {"message": "This model does not support streaming."}}, "stream"),
        ({"error": {"message": "Streaming is not supported for this model"}}, "stream"),
        ({"error": {"message": "Say something."}}, ""),
    ],
)
def test_the_member_that_a_provider_refuses_is_named(body: object, parameter: str) -> None:
    assert refused(400, body).parameter == parameter
    assert refused(422, body).parameter == parameter


def test_a_provider_that_fails_refuses_no_member() -> None:
    assert refused(500, {"error": "stream_options made me fail"}).parameter == ""


def test_geminis_retry_delay_is_read_and_a_field_comes_before_it() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    body = json.dumps({"error": {"code": 429, "details": [info]}}).encode()
    assert DIALECTS["gemini"].read_error(429, (), body).retry_after == 34.5
    assert DIALECTS["gemini"].read_error(429, ((b"Retry-After", b"2"),), body).retry_after == 2.0


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abc123DEF456ghi789.",
        "Incorrect API key provided: sk-abcd********wxyz. You can find your key",
        "invalid x-api-key sk-ant-api03-AbCdEf_123-456",
        "key AIzaSyA1234567890abcdefghijklmnopqrstuv is not valid",
        "Authorization: Bearer abcdef123456",
        'headers: {"authorization": "Bearer s3cr3t-value"}',
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln is expired",
        "see https://api.example/v1?key=abcd1234&alt=sse",
        "api_key=0123456789abcdef rejected",
        "gsk_abcdefghijklmnop1234 and hf_abcdefghijklmnop and xai-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE cannot sign",
        "password: hunter22",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    cleaned = redacted(text)
    assert REDACTED in cleaned
    for secret in ("abc123DEF456", "wxyz", "AbCdEf_123", "1234567890abc", "abcdef123456", "s3cr3t", "eyJ", "abcd1234",
                   "0123456789abcdef", "klmnop", "xai-abc", "AKIA", "hunter22"):  # fmt: skip
        assert secret not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "The model `gpt-5.6-mini` does not exist or you do not have access to it.",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "rate_limit_exceeded: try again in 20s",
        "Authentication failed: no API key provided",
        "expected a first token within 60 s, got none",
        "basic reasons: the bearer of bad news",
        "task-12345678 failed; risk-averse; desk-sharing-office",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_keys_in_use_are_taken_out_whatever_they_look_like() -> None:
    assert redacted("no: plain and plainer", ["plain", "plainer", "no"]) == f"no: {REDACTED} and {REDACTED}"


@pytest.mark.parametrize("part", [b"<!--", b"<script", b"<title", b"<title>", b"<"])
def test_a_long_page_of_broken_html_is_read_in_one_pass(part: bytes) -> None:
    assert refused(500, part * (1_000_000 // len(part))).message.startswith("status 500 with a page of HTML: ")


def test_what_a_page_does_not_show_is_not_quoted() -> None:
    page = b"<html><style>a{b}</style><p class=a>3 < 4<!-- no --> <script>x()</script></html>"
    assert refused(500, page).message == "status 500 with a page of HTML: '3 < 4'"
