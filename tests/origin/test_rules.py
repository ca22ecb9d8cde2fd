"""Rules that no other file of this folder is about, and the map of all the rows that concern an origin."""

import re
from pathlib import Path

import pytest

from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.limits import Limits
from tests.origin.peer import body_of, get, post, resource, serving, status_of, two_chunks

# Row of the forwarding rules marked O → the test of this folder that holds the origin to it.
ROWS = {
    2: "test_bare_lf_in_a_chunked_body_gets_a_400_that_names_the_flag",
    3: "test_what_must_not_reach_the_head_or_trailers_does_not",
    5: "test_an_empty_line_before_the_request_is_ignored",
    6: "test_a_blank_line_after_the_request_line_is_refused",
    7: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    9: "test_http_1_9_is_served_as_1_1",
    10: "test_a_target_over_the_limit_gets_414",
    11: "test_an_unknown_method_gets_501",
    12: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    13: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    14: "test_an_absolute_target_is_served",
    15: "test_a_status_without_a_reason_keeps_its_space",
    16: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    17: "test_what_must_not_reach_the_head_or_trailers_does_not",
    19: "test_a_chunked_body_is_not_chunked_again",
    20: "test_a_status_without_a_body_cannot_be_chunked",
    21: "test_connect_is_refused",
    22: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    23: "test_http_1_0_gets_raw_content_until_close",
    24: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    25: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    26: "test_what_must_not_reach_the_head_or_trailers_does_not",
    29: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    31: "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
    34: "test_the_name_of_the_coding_has_no_case",
    37: "test_a_parameter_of_the_coding_is_refused",
    38: "test_an_empty_chunk_is_refused_and_sends_nothing",
    39: "test_an_exception_ends_that_exchange_only",
    41: "test_an_extension_over_the_limit_gets_400",
    42: "test_an_ext_out_of_the_grammar_never_leaves",
    43: "test_an_ext_out_of_the_grammar_never_leaves",
    45: "test_what_must_not_reach_the_head_or_trailers_does_not",
    46: "test_trailers_are_announced_and_follow_the_last_chunk",
    47: "test_a_request_is_served_the_same_with_and_without_trailers",
    52: "test_a_small_body_that_nobody_read_is_drained",
    55: "test_pipelined_requests_are_answered_in_order",
    56: "test_a_reset_ends_a_responder_that_waits",
    57: "test_connection_close_is_honoured_and_nothing_runs_after_it",
    58: "test_the_last_octets_survive_a_client_that_still_sends",
    59: "test_a_half_close_is_no_loss_of_interest",
    60: "test_what_must_not_reach_the_head_or_trailers_does_not",
    62: "test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431",
    64: "test_every_final_response_has_a_date",
    67: "test_an_upgrade_that_was_not_asked_for_is_refused",
    68: "test_100_is_sent_only_when_the_body_is_read",
}


def test_every_row_names_a_test_that_is_there() -> None:
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    defined = set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))
    assert {test for test in ROWS.values() if test not in defined} == set()


async def test_a_blank_line_after_the_request_line_is_refused() -> None:
    """Row 6. Fails where the line is skipped: ` Host: x` would be a field to some and none to others."""
    async with serving(resource(two_chunks)) as running:
        assert status_of(await running.ask(b"GET /x HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n")) == 400
        assert status_of(await running.ask(b"GET /x HTTP/1.1\r\n \r\nHost: x\r\n\r\n")) == 400


async def test_a_status_without_a_reason_keeps_its_space() -> None:
    """Row 15. Fails where an empty reason takes its SP with it."""

    async def no_reason(_: IncomingRequest, response: Responder) -> None:
        await response.text(299, "ok")

    async with serving(resource(no_reason)) as running:
        assert (await running.get("/x")).startswith(b"HTTP/1.1 299 \r\n")


async def test_a_chunked_body_is_not_chunked_again() -> None:
    """Row 19. Fails where raw frames go through the encoder: the client would see size lines as content."""
    async with serving() as running:
        answer = await running.ask(post("/echo", b"00A\r\n0123456789\r\n0\r\n\r\n"))
    assert body_of(answer) == b"00A\r\n0123456789\r\n0\r\n\r\n"


async def test_the_name_of_the_coding_has_no_case() -> None:
    """Row 34. Fails where the value is compared as it stands."""
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ChunKed\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    async with serving() as running:
        assert body_of(await running.ask(request)) == b"1\r\nx\r\n0\r\n\r\n"


async def test_a_parameter_of_the_coding_is_refused() -> None:
    """Row 37. Fails where what follows `;` is dropped."""
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n"
    async with serving() as running:
        assert status_of(await running.ask(request)) == 400


@pytest.mark.parametrize("length, status", [(20, 200), (21, 400)])
async def test_an_extension_over_the_limit_gets_400(length: int, status: int) -> None:
    """Row 41. Fails where the limits of the settings do not reach the scanner."""
    ext = b";" + (length - 1) * b"a"
    async with serving(settings=ServerSettings(limits=Limits(max_ext_octets=20))) as running:
        assert status_of(await running.ask(post("/echo", b"1" + ext + b"\r\nx\r\n0\r\n\r\n"))) == status


async def test_a_request_is_served_the_same_with_and_without_trailers() -> None:
    """Row 47. Fails where trailers stay unread, or become content."""

    async def reads(request: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, body=await request.read_body(10))

    async with serving(resource(reads)) as running:
        plain = await running.ask(post("/x", b"1\r\nx\r\n0\r\n\r\n"))
        trailed = await running.ask(post("/x", b"1\r\nx\r\n0\r\nX-A: 1\r\n\r\n"))
    assert body_of(plain) == body_of(trailed) == b"x"


@pytest.mark.parametrize("target", ["/x", "/nowhere", "/x?bad"])
async def test_every_final_response_has_a_date(target: str) -> None:
    """Row 64. Fails where a refusal or a responder's own head goes without, or gets two."""
    async with serving(resource(two_chunks)) as running:
        answer = await running.get(target)
    assert re.search(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer)
    assert answer.count(b"\r\nDate: ") == 1


@pytest.mark.parametrize(
    "request_octets",
    [
        get("/x"),
        get("/x", b"Upgrade: other", b"Connection: Upgrade"),
        get("/x", b"Upgrade: shout"),
        b"GET /x HTTP/1.0\r\nUpgrade: shout\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_an_upgrade_that_was_not_asked_for_is_refused(
    request_octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 67. Fails where a responder's wish is enough for a 101."""

    async def shout(_: IncomingRequest, response: Responder) -> None:
        await response.switch_protocols(b"shout")

    async with serving(resource(shout)) as running:
        assert status_of(await running.ask(request_octets)) == 500
    assert "expected a request to upgrade to shout" in caplog.text
