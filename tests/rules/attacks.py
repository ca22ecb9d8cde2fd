"""The attacks on relays, each with the test that shows it fail."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

HEADS = "tests/forward/test_attacks_heads.py::"
BODIES = "tests/forward/test_attacks_bodies.py::"
CONNECTIONS = "tests/forward/test_attacks_connections.py::"
FRAMING = "tests/forward/test_rules_framing.py::"

ATTACKS: Final[Rows] = {
    "CL.TE": Row(
        "Content-Length and Transfer-Encoding, the next hop believing the other",
        "OG",
        origin=HEADS + "test_the_origin_refuses_two_framings_too",
        gateway=FRAMING + "test_a_length_beside_a_coding_is_refused",
        peers="nginx answers 400, HAProxy 2.6 serves it",
    ),
    "TE.CL": Row(
        "the same, the next hop using the length", gateway=FRAMING + "test_a_length_beside_a_coding_is_refused"
    ),
    "TE.TE": Row("a coding that one hop takes for chunked and the other not", gateway=HEADS + "test_te_te_is_refused"),
    "CL.0 / 0.CL": Row(
        "a hop that ignores the body of a request", gateway=HEADS + "test_cl_0_never_meets_the_next_request"
    ),
    "TE.0": Row(
        "a chunked body where none is expected: its size line read as a request",
        gateway=HEADS + "test_te_0_keeps_no_upstream",
    ),
    "H2 downgrade": Row(
        "there is no HTTP/2: its preface is refused", gateway=HEADS + "test_an_h2_preface_is_no_request"
    ),
    "TERM.EXT / EXT.TERM": Row(
        "a line end to one parser, ext text to the other (Go CVE-2025-22871, Netty CVE-2025-58056)",
        gateway=BODIES + "test_term_ext_is_refused",
    ),
    "TERM.SPILL / SPILL.TERM": Row(
        "two octets after data that are no CRLF (h11 CVE-2025-43859)", gateway=BODIES + "test_term_spill_is_refused"
    ),
    "ONE.TWO, TWO.ONE, ZERO.TWO, TWO.ZERO": Row(
        "a terminator of one octet, or none, where the peer skips two", gateway=BODIES + "test_one_two_is_refused"
    ),
    "quoted ext": Row(
        "CR or LF in quotes (Netty CVE-2026-33870, Jetty CVE-2026-2332)",
        gateway=BODIES + "test_a_line_end_in_a_quoted_ext_is_refused",
        peers="nginx 1.22, HAProxy 2.6, Go 1.19, curl, http.client and h11 take a CRLF in quotes as a line end",
    ),
    "h11 leftovers": Row("what h11 0.16 takes of a body", gateway=BODIES + "test_what_h11_takes_of_a_body_is_refused"),
    "Go CVE-2023-39326": Row(
        "a huge ext on each chunk of one octet", gateway=BODIES + "test_an_ext_on_each_chunk_spends_a_budget"
    ),
    "Node CVE-2024-22019": Row(
        "an endless ext in one chunk", gateway=BODIES + "test_an_endless_ext_is_refused_at_the_limit"
    ),
    "llhttp CVE-2021-22960": Row(
        "an ext that is skipped unparsed", gateway=BODIES + "test_an_ext_that_is_none_is_refused"
    ),
    "llhttp CVE-2021-22959": Row(
        "a blank before the colon",
        gateway="tests/forward/test_rules_heads.py::test_a_blank_before_the_colon_is_refused",
    ),
    "llhttp CVE-2022-32213": Row(
        "a folded coding, a head that ends on CR", gateway=HEADS + "test_no_head_line_ends_in_anything_but_crlf"
    ),
    "aiohttp CVE-2025-53643": Row(
        "LF in an ext; trailers left unparsed and read as a request", gateway=BODIES + "test_trailers_are_no_request"
    ),
    "gunicorn CVE-2024-1135": Row(
        "an unknown or repeated coding ignored, the length used",
        gateway=HEADS + "test_an_unknown_or_repeated_coding_is_never_ignored",
    ),
    "waitress CVE-2022-24761": Row(
        "sizes read by int(x, 16), control octets in ext", gateway=BODIES + "test_a_size_is_hex_digits_alone"
    ),
    "waitress CVE-2024-49768": Row(
        "a pipelined request run after the one before it failed",
        gateway=BODIES + "test_nothing_is_run_after_a_body_that_failed",
    ),
    "hypercorn #277, #279, uvicorn #2238": Row(
        "CONNECT taken, two framings taken, a request after close answered",
        gateway="tests/forward/test_rules_connections.py::"
        "test_connection_close_ends_the_connection_and_nothing_more_is_run",
    ),
    "http4s CVE-2025-59822": Row(
        "a trailer line without a colon that ends the trailers",
        gateway=BODIES + "test_a_trailer_without_a_colon_is_refused",
    ),
    "trailer smuggling": Row(
        "framing and routing fields in a trailer section",
        gateway=BODIES + "test_a_forbidden_trailer_is_refused",
        peers="HAProxy 2.6 and nginx 1.22 pass nearly all of them on",
    ),
    "zero chunk with ext, padded zero": Row(
        "a last-chunk that is not `0`", gateway=BODIES + "test_a_zero_in_any_legal_spelling_ends_the_body"
    ),
    "zero look-alikes": Row(
        "lines that another parser reads as zero", gateway=BODIES + "test_what_looks_like_zero_ends_nothing"
    ),
    "size overflow": Row(
        "sizes that wrap (nginx CVE-2013-2028, Varnish CVE-2017-12425)",
        gateway=BODIES + "test_a_size_beyond_any_is_refused",
        peers="HAProxy refuses from 2^52, nginx at 2^63-1; http.client dies of 2^53",
    ),
    "response splitting through SSE data": Row(
        "a response in chunk-data", gateway=BODIES + "test_a_response_in_data_splits_nothing"
    ),
    "one-byte chunks": Row(
        "six octets on the wire for one of data", gateway=BODIES + "test_one_octet_chunks_starve_nobody"
    ),
    "Slowloris": Row(
        "a head one octet at a time", gateway=CONNECTIONS + "test_a_head_that_drips_ends_at_a_total_deadline"
    ),
    "slow read": Row(
        "a client that stops reading",
        gateway=CONNECTIONS + "test_a_slow_reader_holds_its_upstream_up_and_ends_at_a_deadline",
        peers="both: the upstream gets some 6.4 MB away and is blocked; closed after the timeout",
    ),
    "slow body": Row(
        "an octet of a chunk of 2^52 a minute", gateway=CONNECTIONS + "test_a_body_that_stops_ends_at_a_deadline_down"
    ),
    "slow upload": Row(
        "the same from the client", gateway=CONNECTIONS + "test_a_body_that_stops_ends_at_a_deadline_up"
    ),
    "Expect desync": Row(
        "a final answer to Expect, the body never sent (Go CVE-2024-24791)",
        gateway=CONNECTIONS + "test_a_final_answer_to_expect_ends_both",
    ),
    "early answer": Row(
        "an answer before the body was read, the connection used again (hyper PR 2646)",
        gateway=CONNECTIONS + "test_an_early_answer_ends_the_body_and_both_connections",
        peers="nginx closes; HAProxy kept waiting for the body past 2.5 s",
    ),
    "response-queue poisoning": Row(
        "one response too many left in the upstream's socket",
        gateway=CONNECTIONS + "test_an_extra_response_is_nobodys",
        peers="both drop it, and the next response is right",
    ),
    "reuse after error": Row(
        "the next message read from the middle of a bad body",
        gateway=CONNECTIONS + "test_a_connection_is_dead_after_a_framing_error",
    ),
    "Upgrade smuggling": Row(
        "raw on the request, before a 101 (Pingora CVE-2026-2833); Upgrade with a body",
        gateway=HEADS + "test_nothing_is_tunnelled_before_a_101",
    ),
    "websocket smuggling": Row(
        "a tunnel although the backend said 426", gateway=HEADS + "test_a_websocket_that_is_refused_is_no_tunnel"
    ),
    "h2c smuggling": Row("Upgrade: h2c sent on", gateway=HEADS + "test_h2c_is_stripped"),
    "HTTP/1.0 with Transfer-Encoding": Row(
        "codings parsed loosely, a body delimited by close (Pingora CVE-2026-2835)",
        gateway=HEADS + "test_http_1_0_with_a_coding_is_refused",
        peers="HAProxy 2.6 relays it",
    ),
    "1xx as a response": Row(
        "a 103 taken for final",
        gateway=CONNECTIONS + "test_a_103_is_no_final_response",
        peers="nginx 1.22 does, and passes the rest raw",
    ),
    "header names with _": Row(
        "a backend that takes _ for -", gateway=HEADS + "test_a_framing_name_with_an_underscore_is_refused"
    ),
    "log injection": Row("ESC or CR in ext, trailers and fields", gateway=HEADS + "test_control_octets_reach_no_log"),
}
